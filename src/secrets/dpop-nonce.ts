import { type DerivedKeys, hmacSha256, isMadeUnderEither, type RootKeys } from "./root-secret.ts";

/** How long a nonce is handed out. It is taken for as long again, and before its time where another process's clock is ahead. */
const SPAN_MS = 60_000;
const BYTES = 18;

/** The nonce to hand out at `now`. Every process with the same root secret hands out the same, and none is stored. */
export function createDpopNonce({ dpopNonceKey }: DerivedKeys, now: number): string {
  return nonceOf(dpopNonceKey, Math.floor(now / SPAN_MS));
}

/** Whether a nonce is handed out now, was a minute ago, or will be in a minute. Compared in constant time. */
export function isDpopNonce(keys: RootKeys, nonce: string, now: number): boolean {
  const presented = Buffer.from(nonce);
  const span = Math.floor(now / SPAN_MS);
  return [span, span - 1, span + 1].some((at) =>
    isMadeUnderEither(keys, presented, ({ dpopNonceKey }) => Buffer.from(nonceOf(dpopNonceKey, at))),
  );
}

function nonceOf(key: Uint8Array, span: number): string {
  return hmacSha256(key, String(span)).subarray(0, BYTES).toString("base64url");
}
