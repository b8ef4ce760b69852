import type { PostgresRunner } from "./connection/transaction.ts";

/** An act whose commit is unknown may add them twice: reported twice is better than not at all. */
export async function addOperatorEvents(runner: PostgresRunner, events: readonly string[]): Promise<void> {
  await runner.run(({ last }) =>
    last(
      `INSERT INTO latchkey.operator_events (event)
       SELECT event FROM unnest($1::text[]) WITH ORDINALITY AS given (event, nth) ORDER BY nth`,
      events,
    ),
  );
}

export async function takeOperatorEvents(runner: PostgresRunner, limit: number): Promise<readonly string[]> {
  const { rows } = await runner.run(({ last }) =>
    last(
      `WITH oldest AS MATERIALIZED (
         SELECT position FROM latchkey.operator_events ORDER BY position LIMIT $1 FOR UPDATE SKIP LOCKED
       ), taken AS (
         DELETE FROM latchkey.operator_events USING oldest WHERE operator_events.position = oldest.position
         RETURNING operator_events.position, event
       ) SELECT event FROM taken ORDER BY position`,
      limit,
    ),
  );
  return rows.map(({ event }) => event);
}
