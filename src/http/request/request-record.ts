import type { AnyAccessTokenClaims } from "../../access-token/claims.ts";
import type { TokenPair } from "../../engine/token-pair.ts";
import { LatchkeyError } from "../../errors.ts";
import type { Issuer } from "../../issuer.ts";
import type { AskingRequest } from "./credentials.ts";

/** What the guards of one request have found out about it, so that they agree. */
export interface RequestRecord {
  /** The one implicit refresh of the request, from the moment it begins. */
  renewal: Promise<TokenPair> | undefined;
  /** Its result: from then on these are the request's cookies. */
  renewed: TokenPair | undefined;
  /** What the first guard admitted. */
  auth: Pick<AnyAccessTokenClaims, "sub" | "sid"> | undefined;
  /**
   * The access token whose proof has been verified for the request, and for which URL: a proof is valid once, and there
   * may be two guards.
   */
  proved: { readonly token: string; readonly publicUrl: string | undefined } | undefined;
}

/** By the issuer: the same request may pass the guards of two. */
const recordsByIssuer = new WeakMap<Issuer, WeakMap<object, RequestRecord>>();
const originals = new WeakMap<object, object>();

/** What is known about the request, for every object by which a guard may see it. */
export function recordOf(issuer: Issuer, request: AskingRequest): RequestRecord {
  let records = recordsByIssuer.get(issuer);
  if (records === undefined) {
    records = new WeakMap();
    recordsByIssuer.set(issuer, records);
  }
  const key = keyOf(request);
  let record = records.get(key);
  if (record === undefined) {
    record = { renewal: undefined, renewed: undefined, auth: undefined, proved: undefined };
    records.set(key, record);
  }
  return record;
}

/** Declares that two objects are one request. Returns the copy. */
export function sameRequest<Copy extends object>(copy: Copy, original: AskingRequest): Copy {
  originals.set(copy, keyOf(original));
  return copy;
}

function keyOf(request: AskingRequest): object {
  return request.message ?? originals.get(request) ?? request;
}

/**
 * Records what a guard admits. Guards may look for tokens in different places; if they find different sessions, it must
 * be noticed, since one guard's role check would count for another person.
 * @throws LatchkeyError `invalid_request` if an earlier guard of the request admitted a different subject.
 */
export function agreeOn(record: RequestRecord, { sub, sid }: AnyAccessTokenClaims): void {
  if (record.auth === undefined) {
    record.auth = { sub, sid };
  } else if (record.auth.sub !== sub || record.auth.sid !== sid) {
    throw new LatchkeyError("invalid_request", {
      description: "The request carries tokens of two sessions, and its guards accept different ones. Send one token.",
    });
  }
}
