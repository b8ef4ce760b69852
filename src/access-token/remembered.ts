import type { AnyAccessTokenClaims } from "./claims.ts";

/** What is known about an access token that has been verified. */
export interface VerifiedToken {
  readonly claims: AnyAccessTokenClaims;
  readonly kid: string;
}

/** Access tokens whose signature need not be checked again. */
export interface VerifiedTokens {
  /** What is known about exactly this text. The caller must check whether it is still valid. */
  find(token: string): VerifiedToken | undefined;
  remember(token: string, verified: VerifiedToken): void;
  forget(token: string): void;
  readonly size: number;
}

/** A remembered text with what is known about it. */
interface Remembered extends VerifiedToken {
  readonly text: string;
}

/**
 * Remembers verified access tokens under their full text, compared to the last character: two tokens never share an entry. The
 * end of the signature says where to look, since to hash a whole text took half of a guard's time. Of two that end alike, the
 * later one stays.
 * @param capacity how many; a new one beyond that replaces the oldest. 0 remembers none.
 */
export function createVerifiedTokens(capacity: number): VerifiedTokens {
  // A map keeps the order of insertion, so its first entry is the oldest.
  const byPlace = new Map<number, Remembered>();

  function find(token: string): Remembered | undefined {
    const found = byPlace.get(placeOf(token));
    return found?.text === token ? found : undefined;
  }

  return {
    find,
    remember(text, verified) {
      byPlace.set(placeOf(text), { ...verified, text });
      if (byPlace.size > capacity) byPlace.delete(byPlace.keys().next().value as number);
    },
    forget(token) {
      if (find(token) !== undefined) byPlace.delete(placeOf(token));
    },
    get size() {
      return byPlace.size;
    },
  };
}

/** Of the last eight characters. */
function placeOf(text: string): number {
  let place = 0;
  for (let at = text.length - 8; at < text.length; at++) place = (Math.imul(place, 31) + text.charCodeAt(at)) | 0;
  return place;
}
