import type { StoredKeyRing, StoredSigningKey } from "../../records/signing-key.ts";
import { bytesFromHex, type SqliteDatabase } from "./database.ts";

/** The acts on signing keys. Each is synchronous and is whole only inside the transaction that its caller runs it in. */
export class SqliteKeys {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: SqliteDatabase) {
    this.#statements = prepare(database);
  }

  read(): StoredKeyRing {
    return this.#statements.read.first() ?? { version: 0, keys: [] };
  }

  replace(expectedVersion: number, keys: readonly StoredSigningKey[]): boolean {
    if (this.#statements.raiseVersion.run(expectedVersion) === 0) return false;
    this.#statements.removeAll.run();
    for (const [position, key] of keys.entries()) {
      this.#statements.insert.run(
        position,
        key.kid,
        key.alg,
        key.state,
        key.publicJwk,
        key.sealedPrivateKey,
        key.createdAt,
        key.activatedAt,
        key.retiredAt,
      );
    }
    return true;
  }
}

function prepare(database: SqliteDatabase) {
  return {
    read: database.query<[], StoredKeyRing, KeyRingJson>(
      `json_object('version', version, 'keys', (
         SELECT json_group_array(json_object(
           'kid', kid, 'alg', alg, 'state', state, 'publicJwk', public_jwk, 'sealedPrivateKey', hex(sealed_private_key),
           'createdAt', created_at, 'activatedAt', activated_at, 'retiredAt', retired_at) ORDER BY position)
         FROM signing_keys))`,
      "FROM key_ring",
      ({ version, keys }) => ({
        version,
        keys: keys.map((key) => ({ ...key, sealedPrivateKey: bytesFromHex(key.sealedPrivateKey) })),
      }),
    ),
    raiseVersion: database.command<[expectedVersion: number]>(
      "UPDATE key_ring SET version = version + 1 WHERE version = ?",
    ),
    removeAll: database.command<[]>("DELETE FROM signing_keys"),
    insert: database.command(
      `INSERT INTO signing_keys (
         position, kid, alg, state, public_jwk, sealed_private_key, created_at, activated_at, retired_at
       ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
  };
}

interface KeyRingJson {
  readonly version: number;
  readonly keys: readonly (Omit<StoredSigningKey, "sealedPrivateKey"> & { readonly sealedPrivateKey: string })[];
}
