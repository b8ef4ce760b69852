import { SWEEP_LOCK } from "./postgres-schema.ts";
import type { PostgresRunner } from "./postgres-transaction.ts";
import type { SweepRequest, Swept } from "./store.ts";

/** Deletes what is old enough, and nothing while another process does. A session that somebody works on is left for later. */
export async function sweep(runner: PostgresRunner, { endedBy, revokedBy, limit }: SweepRequest): Promise<Swept> {
  return runner.run(async ({ query, last }) => {
    const { rows } = await query(`SELECT ${SWEEP_LOCK} AS "isOurs"`);
    if (!rows[0].isOurs) return { sessions: 0, revocations: 0 };
    const sessions = await query(
      `DELETE FROM latchkey.sessions WHERE id IN (
         SELECT id FROM latchkey.sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)`,
      endedBy,
      limit,
    );
    const revocations = await last(
      `DELETE FROM latchkey.revocations WHERE sequence IN (
         SELECT sequence FROM latchkey.revocations WHERE at <= $1 ORDER BY sequence LIMIT $2)`,
      revokedBy,
      limit,
    );
    return { sessions: sessions.rowCount ?? 0, revocations: revocations.rowCount ?? 0 };
  });
}
