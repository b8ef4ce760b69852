import type { AccessLifetime } from "../../records/access-lifetime.ts";
import type { PostgresRunner } from "./connection/transaction.ts";
import type { Row } from "./rows.ts";

const LIST = "SELECT seconds, last_in_force_at FROM latchkey.access_lifetimes ORDER BY seconds";

export async function listAccessLifetimes(runner: PostgresRunner): Promise<readonly AccessLifetime[]> {
  const { rows } = await runner.run(({ last }) => last(LIST));
  return rows.map(toLifetime);
}

export async function keepAccessLifetime(
  runner: PostgresRunner,
  { seconds, lastInForceAt }: AccessLifetime,
  outlivedBy: number,
): Promise<readonly AccessLifetime[]> {
  return runner.run(async ({ query, last }) => {
    await query(
      `INSERT INTO latchkey.access_lifetimes AS known (seconds, last_in_force_at) VALUES ($1, $2)
       ON CONFLICT (seconds) DO UPDATE SET last_in_force_at = greatest(known.last_in_force_at, excluded.last_in_force_at)`,
      seconds,
      lastInForceAt,
    );
    await query(
      "DELETE FROM latchkey.access_lifetimes WHERE last_in_force_at + seconds * 1000::bigint <= $1",
      outlivedBy,
    );
    const { rows } = await last(LIST);
    return rows.map(toLifetime);
  });
}

function toLifetime({ seconds, last_in_force_at }: Row): AccessLifetime {
  return { seconds, lastInForceAt: last_in_force_at };
}
