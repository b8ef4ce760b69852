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
 * What a request proves, held against the URL by which clients know its route.
 * @param publicUrl what that URL has in front of the request's path. The request's `Host` is chosen by its sender: a
 *   proof that another server was given would be good here.
 */
export function proofIn({ headers, method, url }: AskingRequest, publicUrl: string): DpopRequest {
  return { proof: headers.get(HEADER), method, url: publicUrl + new URL(url).pathname };
}

/** The same, or `undefined` where there is no proof: for routes that bind what they issue if they are asked to. */
export function proofToBind(request: Request, publicUrl: string): DpopRequest | undefined {
  return request.headers.has(HEADER) ? proofIn(request, publicUrl) : undefined;
}

/** @throws LatchkeyError `invalid_request` for a proof beside tokens that go into cookies: the browser sends those without one. */
export function refuseProofForCookies({ headers }: Request): void {
  if (!headers.has(HEADER)) return;
  throw new LatchkeyError("invalid_request", {
    description:
      "Tokens in cookies cannot be bound to a key, since browsers send cookies without a proof. Omit the DPoP header, or request the tokens in the body.",
  });
}

/** The error, asking for the scheme that the request has come with. */
export function inSchemeOf(headers: HeaderReader, error: unknown): unknown {
  if (!isLatchkeyError(error) || error.challenge === "DPoP" || !hasScheme(headers, "DPoP")) return error;
  const { code, ...details } = error;
  return new LatchkeyError(code, { ...details, cause: error.cause, challenge: "DPoP" });
}

/** The nonce to use from now on, where the server asks for one and the request shows that its sender makes proofs. */
export function nonceFor(headers: HeaderReader, nonce: () => string | undefined): HeaderFields {
  return headers.has(HEADER) || hasScheme(headers, "DPoP") ? nonceHeader(nonce()) : {};
}

/** RFC 9449 section 8.2. */
export function nonceHeader(nonce: string | undefined): HeaderFields {
  return nonce === undefined ? {} : { "dpop-nonce": nonce };
}
