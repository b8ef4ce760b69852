import type { Environment } from "../environment.ts";
import { LatchkeyError } from "../errors.ts";
import type { StoredKeyRing, StoredSigningKey } from "../records/signing-key.ts";
import type { RootKeys } from "../secrets/root-secret.ts";
import { seal, unseal } from "../secrets/sealing.ts";
import type { KeyStore } from "../store/key-store.ts";
import { keyIn } from "./key-schedule.ts";
import {
  exportPrivateKey,
  generateKey,
  importPrivateKey,
  isSigningAlgorithm,
  type KeyMaterial,
  type SigningAlgorithm,
} from "./signing-algorithms.ts";

/** A stored ring whose private parts have been opened. */
export interface OpenedKeyRing {
  readonly stored: StoredKeyRing;
  /** The stored keys; those that were sealed under the previous root secret are sealed again here. */
  readonly keys: readonly StoredSigningKey[];
}

/** The signing keys at rest and their opened private parts. */
export interface SealedKeys {
  /** Throws `store_unusable` when a key does not open. */
  read(): Promise<OpenedKeyRing>;
  /** Creates and seals the current and the next key if `keys` has none. */
  makeMissing(keys: readonly StoredSigningKey[], alg: SigningAlgorithm): Promise<readonly StoredSigningKey[]>;
  /** Writes `keys` if they differ from what was read. `false` when another process was faster. */
  write(opened: OpenedKeyRing, keys: readonly StoredSigningKey[]): Promise<boolean>;
  /** The opened key of a record that {@link read} or {@link makeMissing} gave. */
  material(stored: StoredSigningKey): KeyMaterial;
  /** Forgets the private parts of all other keys. */
  keepOnly(keys: readonly StoredSigningKey[]): void;
}

/** Reads and writes signing keys, each private part opened and imported once. */
export function createSealedKeys(options: {
  readonly store: Pick<KeyStore, "readSigningKeys" | "replaceSigningKeys">;
  readonly rootKeys: RootKeys;
  readonly environment: Environment;
}): SealedKeys {
  const { store, rootKeys, environment } = options;
  let materials = new Map<string, KeyMaterial>();

  async function open(stored: StoredSigningKey): Promise<StoredSigningKey> {
    const { kid, alg } = stored;
    if (materials.get(kid)?.alg === alg) return stored;
    if (!isSigningAlgorithm(alg))
      throw unusable(kid, "has an algorithm that this version does not know. Upgrade Latchkey.");
    const { privateKey, underPrevious } = unseal(rootKeys, stored, stored.sealedPrivateKey);
    const material = await importPrivateKey(alg, privateKey).catch(() => {
      throw unusable(kid, `cannot be used with ${alg}.`);
    });
    materials.set(kid, material);
    return underPrevious ? { ...stored, sealedPrivateKey: sealed(material) } : stored;
  }

  async function make(alg: SigningAlgorithm, state: "current" | "next"): Promise<StoredSigningKey> {
    const material = await generateKey(alg, environment.random);
    const createdAt = environment.clock.now();
    materials.set(material.kid, material);
    return {
      kid: material.kid,
      alg,
      state,
      publicJwk: material.publicJwk && JSON.stringify(material.publicJwk),
      sealedPrivateKey: sealed(material),
      createdAt,
      activatedAt: state === "current" ? createdAt : null,
      retiredAt: null,
    };
  }

  function sealed(material: KeyMaterial): Uint8Array {
    return seal(rootKeys.current, material, exportPrivateKey(material), environment.random);
  }

  return {
    async read() {
      const stored = await store.readSigningKeys();
      return { stored, keys: await Promise.all(stored.keys.map(open)) };
    },
    makeMissing(keys, alg) {
      const missing = (["current", "next"] as const).filter((state) => keyIn(keys, state) === undefined);
      return Promise.all(missing.map((state) => make(alg, state)));
    },
    async write({ stored }, keys) {
      const unchanged = keys.length === stored.keys.length && keys.every((key, index) => key === stored.keys[index]);
      return unchanged || store.replaceSigningKeys(stored.version, keys);
    },
    material: ({ kid }) => materials.get(kid)!,
    keepOnly(keys) {
      materials = new Map(keys.map(({ kid }) => [kid, materials.get(kid)!]));
    },
  };
}

function unusable(kid: string, problem: string): LatchkeyError {
  return new LatchkeyError("store_unusable", { detail: `The signing key ${kid} ${problem}` });
}
