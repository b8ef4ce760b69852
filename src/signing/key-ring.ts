import type { KeyObject } from "node:crypto";
import type { Environment } from "../environment.ts";
import { LatchkeyError } from "../errors.ts";
import type { StoredSigningKey } from "../records/signing-key.ts";
import type { RootKeys } from "../secrets/root-secret.ts";
import type { KeyStore } from "../store/key-store.ts";
import type { AccessLifetimes } from "./access-lifetimes.ts";
import {
  type KeySchedule,
  keyIn,
  keyRotationTooQuick,
  keysTowards,
  keysWithout,
  RELOAD_LAG_SECONDS,
  rotatedKeys,
  scheduledKeys,
  signsFrom,
  verifiesUntil,
} from "./key-schedule.ts";
import { createSealedKeys } from "./sealed-keys.ts";
import { type PublicJwk, type SigningAlgorithm, signingAlgorithms, signWith } from "./signing-algorithms.ts";

/** A process whose ring was read longer ago than this re-reads it before it signs. */
const STALE_AFTER_SECONDS = 20;
const UNKNOWN_KID_RELOAD_MS = 1000;
const MAX_ATTEMPTS = 10;

/** Whether a text looks like a `kid` of ours, a SHA-256 thumbprint. Nothing else is worth looking for. */
export function looksLikeKid(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text);
}

/** What {@link openKeyRing} takes. */
export interface KeyRingOptions {
  readonly store: Pick<KeyStore, "readSigningKeys" | "replaceSigningKeys">;
  readonly rootKeys: RootKeys;
  readonly environment: Environment;
  /**
   * The algorithm to sign with. A ring of another one moves to it: the next key is replaced at once and takes over when
   * it has been published for long enough. Default: what the ring has; `ES256` in a new ring.
   */
  readonly signingAlg?: SigningAlgorithm | undefined;
  readonly accessTtlSeconds: number;
  /** What other processes sign, or this one did before. Default: all access tokens live for `accessTtlSeconds`. */
  readonly lifetimes?: Pick<AccessLifetimes, "greatestSeconds" | "read"> | undefined;
  /** How far verifiers' clocks may be off; retired keys are kept that much longer. */
  readonly leewaySeconds: number;
  /** How long a key signs before the next one takes over. */
  readonly keyRotationSeconds: number;
  /** How long verifiers may cache the JWKS. */
  readonly jwksMaxAgeSeconds: number;
  /** Is told of each key that this process has made the current one, by hand or by schedule, once that is durable. */
  readonly onRotated?: ((kid: string) => void) | undefined;
  /** Is called with each key that was removed by hand, once that is durable. */
  readonly onRemoved?: ((kid: string) => void) | undefined;
}

/** The key that signs. */
export interface SigningKey {
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  /** The raw signature over `input` (RFC 7515 section 5.1). */
  sign(input: Uint8Array | string): Promise<Uint8Array>;
}

/** A key whose signatures are accepted, with the one algorithm it may be used with. */
export interface VerificationKey {
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  /** The public key, or the secret for HS256. */
  readonly key: KeyObject;
}

/** What an operator may see of a key: nothing private. Times are milliseconds since the Unix epoch. */
export interface KeyDescription {
  readonly kid: string;
  readonly alg: string;
  readonly state: "next" | "current" | "retired";
  readonly createdAt: number;
  readonly activatedAt: number | null;
  readonly retiredAt: number | null;
  /** When it may begin to sign, for a next key; `null` for others. */
  readonly signsFrom: number | null;
  /** When its signatures stop being accepted, for a retired key; `null` for others. */
  readonly verifiesUntil: number | null;
}

/** A JWK Set (RFC 7517 section 5) of public keys. */
export interface Jwks {
  readonly keys: readonly PublicJwk[];
}

/** The signing keys that all processes on one store share. */
export interface KeyRing {
  current(): SigningKey;
  /** The key whose signatures are accepted under `kid`: next, current, or retired and not yet past its use. */
  find(kid: string): VerificationKey | undefined;
  /**
   * Like {@link find}, but for a `kid` that another process may have just made it re-reads the store: once a second at
   * most, for any caller, and not at all for what no thumbprint looks like. A store that does not answer counts as unknown.
   */
  findOrReload(kid: string): Promise<VerificationKey | undefined>;
  /** The public keys that verify, or soon will. HS256 keys are secrets and never appear. */
  jwks(): Jwks;
  /** Every key of the ring, newest first. */
  list(): readonly KeyDescription[];
  /**
   * Makes the next key current and describes it.
   * @throws LatchkeyError `signing_key_too_new` while verifiers that cache the JWKS may not have the next key yet. With
   *   `force` it signs all the same, and such verifiers refuse its access tokens until they fetch the JWKS again.
   */
  rotate(request?: { readonly force?: boolean }): Promise<KeyDescription>;
  /**
   * Takes a key out at once, for when it has leaked, and describes it: what it signed is refused here from now on, in other
   * processes when they reload, and at verifiers when their JWKS expires. A removed current key is replaced by the next one.
   * @throws LatchkeyError `not_found`.
   */
  remove(kid: string): Promise<KeyDescription>;
  /** Re-reads the store and does what is due. To be called every few seconds; calls that wait together share one read. */
  reload(): Promise<void>;
  /** {@link reload}, if the ring was last read longer ago than other processes allow for. To be called before signing. */
  reloadIfStale(): Promise<void>;
  readonly jwksMaxAgeSeconds: number;
}

/** A key of the ring in memory. */
interface RingKey {
  readonly stored: StoredSigningKey;
  readonly signing: SigningKey;
  readonly verification: VerificationKey;
  readonly publicJwk: PublicJwk | null;
  readonly verifiesUntil: number;
}

/** The ring as last read; replaced as a whole. */
interface Ring {
  readonly keys: ReadonlyMap<string, RingKey>;
  readonly current: RingKey;
  readonly readAt: number;
}

type RingChange = (keys: readonly StoredSigningKey[], now: number) => readonly StoredSigningKey[];

/**
 * Opens the ring of signing keys, making it if there is none. Private parts are sealed in the store; those sealed under
 * the previous root secret are sealed again.
 * @throws LatchkeyError `store_unusable` when a key was sealed under another root secret or has been altered.
 * @throws TypeError naming an option that cannot work.
 */
export async function openKeyRing(options: KeyRingOptions): Promise<KeyRing> {
  const { clock } = options.environment;
  const schedule = scheduleOf(options);
  const sealedKeys = createSealedKeys(options);
  const scheduled: RingChange = (keys, now) => scheduledKeys(keys, now, schedule);

  let ring: Ring;
  let lastChange: Promise<unknown> = Promise.resolve();
  let waitingReload: Promise<void> | undefined;
  let reloadForUnknown: { readonly at: number; readonly done: Promise<void> } | undefined;

  /** Changes run one after another, so that an older read never takes the place of a newer one. */
  function change(make: RingChange, freshAlg?: SigningAlgorithm): Promise<void> {
    const changed = lastChange.then(async () => {
      ring = await changedRing(make, freshAlg);
    });
    lastChange = changed.catch(() => {});
    return changed;
  }

  async function changedRing(make: RingChange, freshAlg: SigningAlgorithm | undefined): Promise<Ring> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const readAt = clock.now();
      // Before a key is dropped: a process that signed with it had kept the life of its tokens by then.
      await options.lifetimes?.read();
      const opened = await sealedKeys.read();
      const kept = make(opened.keys, clock.now());
      const fresh = await sealedKeys.makeMissing(kept, freshAlg ?? algorithmOf(opened.keys));
      const keys = [...kept, ...fresh];
      if (!(await sealedKeys.write(opened, keys))) continue;
      sealedKeys.keepOnly(keys);
      tellOfRotation(opened.keys, keys);
      return ringOf(keys, readAt);
    }
    throw new LatchkeyError("store_unavailable", { detail: "Other processes kept changing the signing keys." });
  }

  /** The key that a new ring begins with has taken over from none. */
  function tellOfRotation(before: readonly StoredSigningKey[], after: readonly StoredSigningKey[]): void {
    const [was, is] = [keyIn(before, "current")?.kid, keyIn(after, "current")!.kid];
    if (was !== undefined && was !== is) options.onRotated?.(is);
  }

  function ringOf(stored: readonly StoredSigningKey[], readAt: number): Ring {
    const keys = new Map(stored.map((key) => [key.kid, ringKey(key)]));
    return { keys, current: keys.get(keyIn(stored, "current")!.kid)!, readAt };
  }

  function ringKey(stored: StoredSigningKey): RingKey {
    const material = sealedKeys.material(stored);
    const { kid, alg, publicJwk } = material;
    return {
      stored,
      signing: Object.freeze({ kid, alg, sign: (input: Uint8Array | string) => signWith(material, input) }),
      verification: Object.freeze({ kid, alg, key: material.verificationKey }),
      publicJwk,
      verifiesUntil: verifiesUntil(stored, schedule),
    };
  }

  function isAccepted(key: RingKey): boolean {
    return key.verifiesUntil === Number.POSITIVE_INFINITY || clock.now() < key.verifiesUntil;
  }

  function find(kid: string): VerificationKey | undefined {
    const key = ring.keys.get(kid);
    return key !== undefined && isAccepted(key) ? key.verification : undefined;
  }

  function reload(): Promise<void> {
    waitingReload ??= lastChange.then(() => {
      waitingReload = undefined;
      return change(scheduled);
    });
    return waitingReload;
  }

  await change(
    (keys, now) => scheduled(options.signingAlg === undefined ? keys : keysTowards(keys, options.signingAlg), now),
    options.signingAlg,
  );

  return Object.freeze<KeyRing>({
    current: () => ring.current.signing,
    find,

    async findOrReload(kid) {
      const known = find(kid);
      if (known !== undefined || !looksLikeKid(kid)) return known;
      const now = clock.now();
      if (reloadForUnknown === undefined || Math.abs(now - reloadForUnknown.at) >= UNKNOWN_KID_RELOAD_MS) {
        reloadForUnknown = { at: now, done: reload().catch(() => {}) };
      }
      await reloadForUnknown.done;
      return find(kid);
    },

    jwks: () => ({ keys: [...ring.keys.values()].filter(isAccepted).flatMap(({ publicJwk }) => publicJwk ?? []) }),

    list: () =>
      [...ring.keys.values()]
        .map(({ stored }) => describeKey(stored, schedule))
        .sort((a, b) => b.createdAt - a.createdAt),

    async rotate({ force = false } = {}) {
      await change((keys, now) => {
        if (!force) refuseUnpublished(keys, now, schedule);
        return rotatedKeys(scheduled(keys, now), now);
      });
      return describeKey(ring.current.stored, schedule);
    },

    async remove(kid) {
      let removed: StoredSigningKey | undefined;
      await change((keys, now) => {
        removed = keys.find((key) => key.kid === kid);
        if (removed === undefined)
          throw new LatchkeyError("not_found", { description: "No signing key has this kid." });
        return scheduled(keysWithout(keys, kid, now), now);
      });
      options.onRemoved?.(kid);
      return describeKey(removed!, schedule);
    },

    reload,

    async reloadIfStale() {
      const age = clock.now() - ring.readAt;
      if (age < 0 || age >= STALE_AFTER_SECONDS * 1000) await reload();
    },

    jwksMaxAgeSeconds: schedule.jwksMaxAgeSeconds,
  });
}

function scheduleOf(options: KeyRingOptions): KeySchedule {
  const { accessTtlSeconds, lifetimes, leewaySeconds, keyRotationSeconds, jwksMaxAgeSeconds } = options;
  const [problem] = keyRotationTooQuick(options);
  if (problem !== undefined) throw new TypeError(problem);
  return {
    get accessTtlSeconds() {
      return lifetimes?.greatestSeconds() ?? accessTtlSeconds;
    },
    leewaySeconds,
    keyRotationSeconds,
    jwksMaxAgeSeconds,
    reloadLagSeconds: RELOAD_LAG_SECONDS,
  };
}

/** What the ring signs with, or is on its way to. */
function algorithmOf(keys: readonly StoredSigningKey[]): SigningAlgorithm {
  const alg = (keyIn(keys, "next") ?? keyIn(keys, "current"))?.alg;
  return signingAlgorithms.find((known) => known === alg) ?? "ES256";
}

function refuseUnpublished(keys: readonly StoredSigningKey[], now: number, schedule: KeySchedule): void {
  const next = keyIn(keys, "next");
  if (next === undefined || now >= signsFrom(next, schedule)) return;
  const waitSeconds = Math.ceil((signsFrom(next, schedule) - now) / 1000);
  throw new LatchkeyError("signing_key_too_new", {
    description:
      `The next signing key was created ${Math.floor((now - next.createdAt) / 1000)} s ago, and verifiers that cache the ` +
      `JWKS may not have it yet. Wait ${waitSeconds} s, or force it (--force).`,
    retryAfterSeconds: waitSeconds,
  });
}

function describeKey(stored: StoredSigningKey, schedule: KeySchedule): KeyDescription {
  const { kid, alg, state, createdAt, activatedAt, retiredAt } = stored;
  return Object.freeze({
    kid,
    alg,
    state,
    createdAt,
    activatedAt,
    retiredAt,
    signsFrom: state === "next" ? signsFrom(stored, schedule) : null,
    verifiesUntil: state === "retired" ? verifiesUntil(stored, schedule) : null,
  });
}
