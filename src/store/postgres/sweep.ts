import type { SweepRequest, Swept } from "../store-operation.ts";
import { tryToLockSweep } from "./connection/locks.ts";
import type { PostgresRunner } from "./connection/transaction.ts";

/** Deletes what is old enough, and nothing while another process does. A session that is in use is left for later. */
export async function sweep(runner: PostgresRunner, { endedBy, revokedBy, limit }: SweepRequest): Promise<Swept> {
  return runner.run(async (transaction) => {
    if (!(await tryToLockSweep(transaction))) return { sessions: 0, revocations: 0 };
    const { query, last } = transaction;
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
