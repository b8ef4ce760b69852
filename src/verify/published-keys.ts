import { type CryptoKey, calculateJwkThumbprint, importJWK, type JWK } from "jose";
import type { VerifyingKey, VerifyingKeys } from "../access-token/verifier.ts";
import type { Clock } from "../environment.ts";
import { LatchkeyError } from "../errors.ts";
import { isJsonObject } from "../json.ts";
import { readBounded } from "./read-bounded.ts";
import type { ResolvedVerifierOptions } from "./verifier-options.ts";

const TIMEOUT_MS = 5000;
const LIMIT_BYTES = 64 * 1024;
const MOST_KEYS = 64;
/** The keys' lifetime if the response does not state one, and the bounds of a lifetime that it states. */
const MAX_AGE_SECONDS = { unsaid: 300, least: 10, most: 86_400 } as const;
/** The part of the lifetime after which the next verification fetches again, without waiting for it. */
const RENEW_AFTER = 0.8;
/**
 * How long after their lifetime keys are still trusted while the issuer does not respond: after that, a removed key is
 * certainly refused.
 */
const KEPT_WHILE_UNREACHABLE_MS = 3_600_000;
/** How often an unknown `kid` may cause a fetch, from any sender. */
const UNKNOWN_KID_COOLDOWN_MS = 5000;
const RETRY_MS = 1000;
/**
 * While the issuer does not respond, cached keys are valid for this long after each attempt, so that no verification
 * waits for the next attempt.
 */
const GRACE_MS = 30_000;
const RSA_MODULUS_BITS = 3072;
/** What a `kid` of Latchkey looks like: a SHA-256 thumbprint (RFC 7638). No other `kid` is worth a fetch. */
const KID_PATTERN = /^[A-Za-z0-9_-]{43}$/;

/** The issuer's public keys, kept for as long as its JWKS may be cached. */
export interface PublishedKeys extends VerifyingKeys {
  /** @throws LatchkeyError `verifier_unavailable` when there are none and none can be fetched. */
  findOrReload(kid: string): Promise<VerifyingKey | undefined>;
  /**
   * Resolves when there are keys. @throws LatchkeyError `verifier_unavailable` when there are none and none can be
   * fetched.
   */
  load(): Promise<void>;
}

/** Keeps the keys of the JWKS at `jwksUri` (RFC 7517 section 5). Nothing is fetched before it is needed. */
export function createPublishedKeys(
  options: Pick<ResolvedVerifierOptions, "jwksUri" | "algorithms" | "fetch">,
  clock: Clock,
): PublishedKeys {
  const { jwksUri } = options;
  let keys: ReadonlyMap<string, VerifyingKey> = new Map();
  let renewFrom = Number.NEGATIVE_INFINITY;
  let goodUntil = Number.NEGATIVE_INFINITY;
  let keptUntil = Number.NEGATIVE_INFINITY;
  let attemptedAt = Number.NEGATIVE_INFINITY;
  let failure: unknown;
  let attempt: Promise<void> | undefined;

  /** Fetches, and remembers how it went. Calls that arrive meanwhile share the attempt. */
  function renew(): Promise<void> {
    attempt ??= renewNow().finally(() => {
      attempt = undefined;
    });
    return attempt;
  }

  async function renewNow(): Promise<void> {
    attemptedAt = clock.now();
    try {
      const fetched = await fetchKeys(options);
      keys = fetched.keys;
      failure = undefined;
      renewFrom = attemptedAt + fetched.maxAgeMs * RENEW_AFTER;
      goodUntil = attemptedAt + fetched.maxAgeMs;
      keptUntil = goodUntil + KEPT_WHILE_UNREACHABLE_MS;
    } catch (error) {
      failure = error;
      const failedAt = clock.now();
      renewFrom = failedAt + RETRY_MS;
      goodUntil = Math.max(goodUntil, Math.min(failedAt + GRACE_MS, keptUntil));
    }
  }

  const isGood = () => clock.now() < goodUntil;
  /** Whether the last attempt is so recent that another would be too much; a clock that was set back does not count. */
  const hasJustTried = (withinMs: number) => Math.abs(clock.now() - attemptedAt) < withinMs;
  const find = (kid: string) => (isGood() ? keys.get(kid) : undefined);

  async function load(): Promise<void> {
    if (!isGood() && (attempt !== undefined || failure === undefined || !hasJustTried(RETRY_MS))) await renew();
    if (!isGood()) throw unavailable(jwksUri, failure);
  }

  return {
    find,
    load,
    async findOrReload(kid) {
      if (!KID_PATTERN.test(kid)) return undefined;
      await load();
      const known = keys.get(kid);
      if (known !== undefined) {
        if (clock.now() >= renewFrom || clock.now() < attemptedAt) void renew();
        return known;
      }
      if (attempt !== undefined || !hasJustTried(UNKNOWN_KID_COOLDOWN_MS)) await renew();
      // It may be the issuer's newest key: while that cannot be known, the token is not at fault.
      if (failure !== undefined) throw unavailable(jwksUri, failure);
      return find(kid);
    },
  };
}

async function fetchKeys({
  jwksUri,
  algorithms,
  fetch,
}: Pick<ResolvedVerifierOptions, "jwksUri" | "algorithms" | "fetch">) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const headers = { accept: "application/jwk-set+json, application/json" };
  const ask = () => fetch(jwksUri, { headers, redirect: "error", signal });
  // A connection that was kept open may be closed by now, as after a restart of the issuer. Another one is opened, once.
  const response = await ask().catch((error) => {
    if (signal.aborted) throw error;
    return ask();
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`The JWKS URL answered with ${response.status}.`);
  }
  const body: unknown = JSON.parse(await readBounded(response, LIMIT_BYTES, signal));
  if (!isJsonObject(body) || !Array.isArray(body.keys)) throw new Error("The answer is not a JWKS.");
  const keys = new Map<string, VerifyingKey>();
  for (const jwk of body.keys.slice(0, MOST_KEYS)) {
    const key = await readKey(jwk, algorithms);
    if (key !== undefined) keys.set(key.kid, key);
  }
  if (keys.size === 0) throw new Error(`The JWKS holds no key for ${algorithms.join(", ")}.`);
  return { keys, maxAgeMs: maxAgeSeconds(response.headers) * 1000 };
}

/** A key that may be used here; any other is skipped, since a JWKS may contain keys for other purposes. */
async function readKey(jwk: unknown, algorithms: readonly string[]): Promise<VerifyingKey | undefined> {
  if (!isJsonObject(jwk)) return undefined;
  const { kty, crv, x, y, n, e, kid, alg, use } = jwk as Readonly<Record<string, string | undefined>>;
  if (typeof alg !== "string" || !algorithms.includes(alg)) return undefined;
  if ((use ?? "sig") !== "sig" || "d" in jwk || "k" in jwk) return undefined;
  const publicPart = Object.fromEntries(
    Object.entries({ kty, crv, x, y, n, e }).filter(([, member]) => member !== undefined),
  ) as JWK;
  try {
    // A kid that is the key's own thumbprint cannot refer to another key.
    if ((await calculateJwkThumbprint(publicPart, "sha256")) !== kid) return undefined;
    const key = (await importJWK(publicPart, alg)) as CryptoKey;
    return isStrongEnough(key) ? { kid, alg, key } : undefined;
  } catch {
    return undefined;
  }
}

function isStrongEnough({ algorithm }: CryptoKey): boolean {
  const { modulusLength } = algorithm as { readonly modulusLength?: number };
  return modulusLength === undefined || modulusLength >= RSA_MODULUS_BITS;
}

/** How long the response may be cached (RFC 9111 sections 4.2.1 and 5.1), within reason. */
function maxAgeSeconds(headers: Headers): number {
  const { unsaid, least, most } = MAX_AGE_SECONDS;
  const directives = headers.get("cache-control") ?? "";
  if (/\bno-(?:store|cache)\b/i.test(directives)) return least;
  const said = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(directives)?.[1];
  if (said === undefined) return unsaid;
  const age = Number(/^\d{1,9}$/.exec(headers.get("age") ?? "")?.[0] ?? 0);
  return Math.min(Math.max(Number(said) - age, least), most);
}

function unavailable(jwksUri: string, cause: unknown): LatchkeyError {
  return new LatchkeyError("verifier_unavailable", {
    detail: `The issuer's keys could not be fetched from ${jwksUri}.`,
    cause,
    retryAfterSeconds: 1,
  });
}
