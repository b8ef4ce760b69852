import type { StoredKeyRing, StoredSigningKey } from "../../records/signing-key.ts";
import type { PostgresRunner } from "./connection/transaction.ts";
import { type Column, insertion, type Row, toBytes } from "./rows.ts";

interface PositionedKey {
  readonly position: number;
  readonly key: StoredSigningKey;
}

const columns: readonly Column<PositionedKey>[] = [
  { name: "position", type: "int", of: ({ position }) => position },
  { name: "kid", type: "text", of: ({ key }) => key.kid },
  { name: "alg", type: "text", of: ({ key }) => key.alg },
  { name: "state", type: "text", of: ({ key }) => key.state },
  { name: "public_jwk", type: "text", of: ({ key }) => key.publicJwk },
  { name: "sealed_private_key", type: "bytea", of: ({ key }) => key.sealedPrivateKey },
  { name: "created_at", type: "bigint", of: ({ key }) => key.createdAt },
  { name: "activated_at", type: "bigint", of: ({ key }) => key.activatedAt },
  { name: "retired_at", type: "bigint", of: ({ key }) => key.retiredAt },
];

/** Reads ring and version in one statement, so that they belong together. */
export async function readSigningKeys(runner: PostgresRunner): Promise<StoredKeyRing> {
  const { rows } = await runner.run(({ last }) =>
    last(
      `SELECT r.version, ${columns.map(({ name }) => `k.${name}`).join(", ")}
       FROM latchkey.key_ring r LEFT JOIN latchkey.signing_keys k ON true ORDER BY k.position`,
    ),
  );
  return {
    version: rows[0]?.version ?? 0,
    keys: rows.filter((row: Row) => row.kid !== null).map(toKey),
  };
}

export async function replaceSigningKeys(
  runner: PostgresRunner,
  expectedVersion: number,
  keys: readonly StoredSigningKey[],
): Promise<boolean> {
  const { sql, parameters } = insertion(
    "signing_keys",
    columns,
    keys.map((key, position) => ({ key, position })),
  );
  return runner.run(async ({ query, last }, isUnknown) => {
    if (isUnknown) {
      const { rows } = await query("SELECT kid FROM latchkey.signing_keys ORDER BY position");
      const { rows: versions } = await query("SELECT version FROM latchkey.key_ring");
      const isOurs = rows.length === keys.length && keys.every(({ kid }, at) => rows[at].kid === kid);
      if (isOurs && versions[0].version === expectedVersion + 1) return true;
    }
    const { rowCount } = await query(
      "UPDATE latchkey.key_ring SET version = version + 1 WHERE version = $1",
      expectedVersion,
    );
    if (rowCount === 0) return false;
    await query("DELETE FROM latchkey.signing_keys");
    await last(sql, ...parameters);
    return true;
  });
}

function toKey(row: Row): StoredSigningKey {
  return {
    kid: row.kid,
    alg: row.alg,
    state: row.state,
    publicJwk: row.public_jwk,
    sealedPrivateKey: toBytes(row.sealed_private_key),
    createdAt: row.created_at,
    activatedAt: row.activated_at,
    retiredAt: row.retired_at,
  };
}
