import { isLoopback } from "./setting-values.ts";

/** What tells whether this is production. */
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

interface Sign {
  readonly reason: string;
  readonly asksForHttps: boolean;
}

/** Why this counts as production, in words; empty where it does not. Each alone suffices. */
export function productionReasons(facts: ProductionFacts): readonly string[] {
  return signs(facts).map(({ reason }) => reason);
}

/**
 * What production asks for and is not there. A root secret must be given; and the issuer must be https unless it is
 * loopback, where anything but `NODE_ENV` says that this is production.
 */
export function productionProblems(facts: ProductionFacts): readonly string[] {
  const found = signs(facts);
  const problems: string[] = [];
  if (found.length > 0 && !facts.hasSecret) {
    problems.push(
      `LATCHKEY_SECRET is required in production, which this is because ${found.map(({ reason }) => reason).join(" and ")}. ` +
        "'npx latchkey secret' makes one; keep it with your other secrets.",
    );
  }
  const asking = found.filter(({ asksForHttps }) => asksForHttps);
  if (asking.length > 0 && !isHttpsOrLoopback(facts.issuer)) {
    problems.push(
      `LATCHKEY_ISSUER must be an https URL, because ${asking.map(({ reason }) => reason).join(" and ")}. ` +
        "Set it to the URL that clients use, such as https://auth.example.com.",
    );
  }
  return problems;
}

function signs({ issuer, host, usesPostgres, nodeEnv }: ProductionFacts): readonly Sign[] {
  const found: Sign[] = [];
  if (/^https:/i.test(issuer)) found.push({ reason: "the issuer is https", asksForHttps: true });
  if (host !== undefined && !isLoopback(host)) {
    found.push({ reason: "LATCHKEY_HOST can be reached from other machines", asksForHttps: true });
  }
  if (usesPostgres) found.push({ reason: "the database is PostgreSQL", asksForHttps: true });
  if (nodeEnv === "production") found.push({ reason: "NODE_ENV is production", asksForHttps: false });
  return found;
}

function isHttpsOrLoopback(issuer: string): boolean {
  if (!URL.canParse(issuer)) return true; // Refused already, for what it is.
  const { protocol, hostname } = new URL(issuer);
  return protocol === "https:" || isLoopback(hostname);
}
