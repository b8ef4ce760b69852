import type { DpopRequest } from "../../access-token/dpop-proof.ts";
import { isLatchkeyError, LatchkeyError } from "../../errors.ts";
import type { HeaderFields } from "../respond.ts";
import { type AskingRequest, type HeaderReader, hasScheme } from "./credentials.ts";

/**
 * The header that contains a proof (RFC 9449 section 4.1). Two of them are joined by the runtime, and are then no
 * proof.
 */
const HEADER = "dpop";

/**
 * What a request proves, checked against the URL by which clients know its route.
 * @param publicUrl the part of that URL before the request's path. The request's `Host` is chosen by its sender: with
 *   it, a proof made for another server would be valid here.
 */
export function proofIn({ headers, method, url }: AskingRequest, publicUrl: string): DpopRequest {
  return { proof: headers.get(HEADER), method, url: publicUrl + new URL(url).pathname };
}

/** The same, or `undefined` if there is no proof: for routes that bind the tokens they issue on request. */
export function proofToBind(request: Request, publicUrl: string): DpopRequest | undefined {
  return request.headers.has(HEADER) ? proofIn(request, publicUrl) : undefined;
}

/**
 * @throws LatchkeyError `invalid_request` for a proof with tokens in cookies: the browser sends cookies without a
 *   proof.
 */
export function refuseProofForCookies({ headers }: Request): void {
  if (!headers.has(HEADER)) return;
  throw new LatchkeyError("invalid_request", {
    description:
      "Tokens in cookies cannot be bound to a key, since browsers send cookies without a proof. Omit the DPoP header, or request the tokens in the body.",
  });
}

/** The error, with a challenge for the scheme that the request used. */
export function inSchemeOf(headers: HeaderReader, error: unknown): unknown {
  if (!isLatchkeyError(error) || error.challenge === "DPoP" || !hasScheme(headers, "DPoP")) return error;
  const { code, ...details } = error;
  return new LatchkeyError(code, { ...details, cause: error.cause, challenge: "DPoP" });
}

/** The nonce to use from now on, if the server requires one and the request shows that its sender creates proofs. */
export function nonceFor(headers: HeaderReader, nonce: () => string | undefined): HeaderFields {
  return headers.has(HEADER) || hasScheme(headers, "DPoP") ? nonceHeader(nonce()) : {};
}

/** RFC 9449 section 8.2. */
export function nonceHeader(nonce: string | undefined): HeaderFields {
  return nonce === undefined ? {} : { "dpop-nonce": nonce };
}
