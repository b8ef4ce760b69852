import type { AnyAccessTokenClaims } from "./access-token-claims.ts";

/** What is known of an access token that has been verified. */
export interface VerifiedToken {
  readonly claims: AnyAccessTokenClaims;
  readonly kid: string;
}

/** Access tokens whose signature need not be checked again. */
export interface VerifiedTokens {
  /** What is known of exactly this text. Whether it is still good, the caller has to check. */
  find(token: string): VerifiedToken | undefined;
  remember(token: string, verified: VerifiedToken): void;
  forget(token: string): void;
  readonly size: number;
}

/**
 * Remembers verified access tokens under their full text: no digest or part of it, so two tokens never share an entry.
 * @param capacity how many; the oldest gives way. 0 remembers none.
 */
export function createVerifiedTokens(capacity: number): VerifiedTokens {
  // A map keeps the order of insertion, so its first entry is the oldest.
  const byText = new Map<string, VerifiedToken>();
  return {
    find: (token) => byText.get(token),
    remember(token, verified) {
      byText.set(token, verified);
      if (byText.size > capacity) byText.delete(byText.keys().next().value as string);
    },
    forget(token) {
      byText.delete(token);
    },
    get size() {
      return byText.size;
    },
  };
}
