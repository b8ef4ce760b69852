import { isLoopback } from "../../issuer-url.ts";

/** The signs that this is production. */
export interface ProductionFacts {
  /** As given, even where it is no issuer. */
  readonly issuer: string;
  /** `undefined` where it was given but is no address. */
  readonly host: string | undefined;
  /** Whether the database URL names a PostgreSQL database, be it supported or not. */
  readonly usesPostgres: boolean;
  readonly nodeEnv: string | undefined;
  readonly hasSecret: boolean;
}

/** Why this counts as production, in words; empty where it does not. Each alone suffices. */
export function productionReasons({ issuer, host, usesPostgres, nodeEnv }: ProductionFacts): readonly string[] {
  return [
    ...(/^https:/i.test(issuer) ? ["the issuer is https"] : []),
    ...(host !== undefined && !isLoopback(host) ? ["LATCHKEY_HOST can be reached from other machines"] : []),
    ...(usesPostgres ? ["the database is PostgreSQL"] : []),
    ...(nodeEnv === "production" ? ["NODE_ENV is production"] : []),
  ];
}

/** What production requires and is missing: a root secret. */
export function productionProblems(facts: ProductionFacts): readonly string[] {
  const reasons = productionReasons(facts);
  if (reasons.length === 0 || facts.hasSecret) return [];
  return [
    `LATCHKEY_SECRET is required in production. This is production because ${reasons.join(" and ")}. ` +
      "'npx --no latchkey secret' creates one. Keep it with your other secrets.",
  ];
}
