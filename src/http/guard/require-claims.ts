import type { AnyAccessTokenClaims } from "../../access-token/claims.ts";
import { LatchkeyError } from "../../errors.ts";

/** A subject must have every name in `all`, and at least one in `any`. */
export interface Required {
  readonly all?: readonly string[] | undefined;
  readonly any?: readonly string[] | undefined;
}

/** What a policy is asked: may this subject do this to that? */
export interface PolicyQuestion {
  readonly auth: AnyAccessTokenClaims;
  readonly action: string | undefined;
  readonly resource: unknown;
}

/** Returns `allow` or `deny`, or nothing if it has no opinion. */
export type Policy = (question: PolicyQuestion) => PolicyAnswer | Promise<PolicyAnswer>;
export type PolicyAnswer = "allow" | "deny" | undefined;

/** @throws LatchkeyError `insufficient_role`, naming what is missing. */
export function requireRoles({ roles }: Pick<AnyAccessTokenClaims, "roles">, required: Required): void {
  const lacking = lackingOf(required, (role) => roles.includes(role));
  if (lacking === undefined) return;
  throw new LatchkeyError("insufficient_role", { description: `The role ${lacking} is required.` });
}

/**
 * A scope that ends in `:*` covers every longer scope with the same beginning: `admin:*` covers `admin:users:read`.
 * @throws LatchkeyError `insufficient_scope`, naming what is missing.
 */
export function requireScopes({ scope }: Pick<AnyAccessTokenClaims, "scope">, required: Required): void {
  const granted = scope?.split(" ") ?? [];
  const covers = (have: string, wanted: string) =>
    have === wanted || (have.endsWith(":*") && wanted.startsWith(have.slice(0, -1)));
  const lacking = lackingOf(required, (wanted) => granted.some((have) => covers(have, wanted)));
  if (lacking === undefined) return;
  throw new LatchkeyError("insufficient_scope", { description: `The scope ${lacking} is required.` });
}

/**
 * An access token from a login or a reauthentication is fresh for as long as the guard says; one from a refresh never
 * is.
 * @throws LatchkeyError `token_not_fresh`.
 */
export function requireFresh(
  { fresh, auth_time: authTime }: Pick<AnyAccessTokenClaims, "fresh" | "auth_time">,
  freshForSeconds: number,
  now: number,
): void {
  if (fresh !== true || authTime === undefined || now >= (authTime + freshForSeconds) * 1000)
    throw new LatchkeyError("token_not_fresh");
}

/**
 * Asks the policies. One `deny` wins over any number of `allow`. If no policy allows, the result is a deny. A policy
 * that throws denies.
 * @throws LatchkeyError `denied_by_policy`.
 */
export async function requirePolicy(policies: readonly Policy[], question: PolicyQuestion): Promise<void> {
  if (policies.length === 0) return;
  const answers = await Promise.all(policies.map((policy) => ask(policy, question)));
  const failed = answers.find((answer) => answer instanceof PolicyFailure);
  if (failed !== undefined)
    throw new LatchkeyError("denied_by_policy", { detail: "A policy threw.", cause: failed.cause });
  if (answers.includes("deny") || !answers.includes("allow")) throw new LatchkeyError("denied_by_policy");
}

class PolicyFailure {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

async function ask(policy: Policy, question: PolicyQuestion): Promise<PolicyAnswer | PolicyFailure> {
  try {
    return await policy(question);
  } catch (cause) {
    return new PolicyFailure(cause);
  }
}

function lackingOf({ all = [], any = [] }: Required, has: (name: string) => boolean): string | undefined {
  const missing = all.find((name) => !has(name));
  if (missing !== undefined) return `'${missing}'`;
  if (any.length === 0 || any.some(has)) return undefined;
  return any.map((name) => `'${name}'`).join(" or ");
}
