import type { AttemptCounts, AttemptsAllowed, AttemptsTaken, CountedAttempt } from "../attempt-counts.ts";
import type { PostgresRunner } from "./connection/transaction.ts";

/** The time of the database when the statement arrived, in milliseconds since the Unix epoch. */
const NOW = "floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint";

/**
 * Where attempts are counted. Counts here matter for at most an hour, so the table is not logged: a login waits for no
 * disk and no standby, and after a crash or a failover of the database counting begins again.
 *
 * One statement counts an attempt under all of its limits, or under none where one of them refuses it; the clock is the database's.
 * One that is given back after its window leaves the next window as it is, and what is over is deleted in bounded numbers.
 */
export const ATTEMPTS_TABLE = `
  CREATE UNLOGGED TABLE latchkey.attempts (
    key text COLLATE "C" PRIMARY KEY,
    count int NOT NULL,
    ends_at bigint NOT NULL
  ) WITH (fillfactor = 66);
  CREATE INDEX attempts_by_end ON latchkey.attempts (ends_at);
`;

const TAKE = `
  WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::boolean[]) AS asked (key, most, window_ms, counts)
  ), used_up AS MATERIALIZED (
    SELECT key, count, ends_at FROM asked JOIN latchkey.attempts USING (key) WHERE ends_at > ${NOW} AND count >= most
  ), counted AS (
    INSERT INTO latchkey.attempts AS known (key, count, ends_at)
    SELECT key, 1, ${NOW} + window_ms FROM asked WHERE counts AND NOT EXISTS (SELECT FROM used_up) ORDER BY key COLLATE "C"
    ON CONFLICT (key) DO UPDATE SET
      count = CASE WHEN known.ends_at > ${NOW} THEN known.count + 1 ELSE 1 END,
      ends_at = CASE WHEN known.ends_at > ${NOW} THEN known.ends_at ELSE excluded.ends_at END
    RETURNING key, count, ends_at
  )
  SELECT key, count, ends_at, ${NOW} AS now, false AS "isCounted" FROM used_up
  UNION ALL SELECT key, count, ends_at, ${NOW}, true FROM counted`;

// Rows are locked in the order of their keys, as they are when they are counted. A key without a window is forgotten.
const GIVE_BACK = `
  WITH target AS MATERIALIZED (
    SELECT key AS target_key FROM latchkey.attempts WHERE key = ANY ($1::text[]) ORDER BY key FOR NO KEY UPDATE
  )
  UPDATE latchkey.attempts SET count = CASE WHEN given_end IS NULL THEN 0 ELSE greatest(count - 1, 0) END
  FROM target JOIN unnest($1::text[], $2::bigint[]) AS given (given_key, given_end) ON given_key = target_key
  WHERE key = target_key AND (given_end IS NULL OR given_end = ends_at)`;

interface Row {
  readonly key: string;
  readonly count: number;
  readonly ends_at: number;
  readonly now: number;
  readonly isCounted: boolean;
}

/** Counts attempts in the database: one round trip for an attempt, and another where several arrive at the limit together. */
export function createPostgresAttempts(runner: PostgresRunner): AttemptCounts {
  async function takeAttempts(limits: readonly AttemptsAllowed[]): Promise<AttemptsTaken> {
    const { rows } = await runner.run(({ last }) =>
      last(
        TAKE,
        limits.map(({ key }) => key),
        limits.map(({ attempts }) => attempts),
        limits.map(({ windowSeconds }) => windowSeconds * 1000),
        limits.map(({ isOnlyLookedAt = false }) => !isOnlyLookedAt),
      ),
    );
    const most = new Map(limits.map(({ key, attempts }) => [key, attempts]));
    const refusing = (rows as Row[]).filter((row) => !row.isCounted || row.count > most.get(row.key)!);
    const counted = (rows as Row[])
      .filter(({ isCounted }) => isCounted)
      .map(({ key, ends_at }) => ({ key, windowEndsAt: ends_at }));
    if (refusing.length === 0) return { waitSeconds: 0, counted, refusedBy: [] };
    if (counted.length > 0) await giveBackAttempts(counted, []);
    const waitMs = Math.max(...refusing.map(({ ends_at, now }) => ends_at - now));
    return {
      waitSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
      counted: [],
      refusedBy: refusing.map(({ key }) => key),
    };
  }

  async function giveBackAttempts(counted: readonly CountedAttempt[], forgotten: readonly string[]): Promise<void> {
    const keys = new Map<string, number | null>(counted.map(({ key, windowEndsAt }) => [key, windowEndsAt]));
    for (const key of forgotten) keys.set(key, null);
    await runner.run(({ last }) => last(GIVE_BACK, [...keys.keys()], [...keys.values()]));
  }

  return {
    sharesAttempts: true,
    takeAttempts,
    giveBackAttempts,
    async sweepAttempts(limit) {
      const { rowCount } = await runner.run(({ last }) =>
        last(
          `DELETE FROM latchkey.attempts WHERE key IN (
             SELECT key FROM latchkey.attempts WHERE ends_at <= ${NOW} ORDER BY ends_at LIMIT $1 FOR UPDATE SKIP LOCKED)`,
          limit,
        ),
      );
      return rowCount ?? 0;
    },
    async listAttempts(afterKey, limit) {
      const { rows } = await runner.run(({ last }) =>
        last(
          `SELECT key, count, ends_at AS "windowEndsAt" FROM latchkey.attempts
           WHERE key > $1 AND ends_at > ${NOW} AND count > 0 ORDER BY key LIMIT $2`,
          afterKey,
          limit,
        ),
      );
      return rows;
    },
    async forgetAttempts(keys) {
      const { rowCount } = await runner.run(({ last }) =>
        last(
          `DELETE FROM latchkey.attempts USING unnest($1::text[]) AS given
           WHERE key = given OR key >= given || ' ' AND key < given || '!'`,
          keys,
        ),
      );
      return rowCount ?? 0;
    },
  };
}
