import type { Client } from "../../records/client.ts";
import { FIRST_PARTY_CLIENT_ID } from "../../records/session.ts";
import type { DisabledClient } from "../client-store.ts";
import type { PostgresRunner } from "./connection/transaction.ts";
import { clientColumns, grantBytes, insertion, isStorable, type Row, toClient } from "./rows.ts";
import { revokeWhere } from "./sessions.ts";

const COLUMNS = clientColumns.map(({ name }) => name).join(", ");
/** The second half is that of the index. */
const OF_CLIENT = `client_id = $1 AND client_id <> '${FIRST_PARTY_CLIENT_ID}'`;

export async function createClient(runner: PostgresRunner, client: Client): Promise<void> {
  const { sql, parameters } = insertion("clients", clientColumns, [client]);
  await runner.run(async ({ query, last }, isUnknown) => {
    if (isUnknown) {
      const { rows } = await query("SELECT FROM latchkey.clients WHERE id = $1", client.id);
      if (rows.length > 0) return;
    }
    await last(sql, ...parameters);
  });
}

export async function findClient(runner: PostgresRunner, id: string): Promise<Client | null> {
  if (!isStorable(id)) return null;
  const { rows } = await runner.run(({ last }) => last(`SELECT ${COLUMNS} FROM latchkey.clients WHERE id = $1`, id));
  return rows.length === 0 ? null : toClient(rows[0]);
}

export async function listClients(runner: PostgresRunner, afterId: string, limit: number): Promise<readonly Client[]> {
  const after = isStorable(afterId) ? afterId : "";
  const { rows } = await runner.run(({ last }) =>
    last(
      `SELECT ${COLUMNS} FROM latchkey.clients
       WHERE position > coalesce((SELECT position FROM latchkey.clients WHERE id = $1), 0) ORDER BY position LIMIT $2`,
      after,
      limit,
    ),
  );
  return rows.map((row: Row) => toClient(row));
}

export async function disableClient(
  runner: PostgresRunner,
  clientId: string,
  at: number,
): Promise<DisabledClient | null> {
  if (!isStorable(clientId)) return null;
  return runner.run(async (transaction, isUnknown) => {
    const { rows } = await transaction.query(
      `UPDATE latchkey.clients SET disabled_at = coalesce(disabled_at, $2),
         updated_at = CASE WHEN disabled_at IS NULL THEN $2 ELSE updated_at END
       WHERE id = $1 RETURNING ${COLUMNS}`,
      clientId,
      at,
    );
    if (rows.length === 0) return null;
    const revocation = { at, reason: "client_disabled" } as const;
    return {
      client: toClient(rows[0]),
      revoked: await revokeWhere(transaction, isUnknown, OF_CLIENT, clientId, revocation),
    };
  });
}

export async function enableClient(runner: PostgresRunner, id: string, grantId: string, at: number): Promise<boolean> {
  if (!isStorable(id)) return false;
  const { rowCount } = await runner.run(({ last }) =>
    last(
      `UPDATE latchkey.clients SET
         grant_id = CASE WHEN disabled_at IS NULL THEN grant_id ELSE $2 END,
         updated_at = CASE WHEN disabled_at IS NULL THEN updated_at ELSE $3 END,
         disabled_at = NULL
       WHERE id = $1`,
      id,
      grantBytes(grantId),
      at,
    ),
  );
  return rowCount === 1;
}
