import type { Revocation, RevocationEntry, RevokedSession } from "../../records/revocation.ts";
import type { Session } from "../../records/session.ts";
import type { EverySession } from "../session-store.ts";
import { REVOCATION_CHANNEL } from "./connection/listener.ts";
import type { PostgresRunner, Transaction } from "./connection/transaction.ts";
import { idToBytes, isStorable, type Row, sessionColumns, toId, toSession } from "./rows.ts";

const COLUMNS = sessionColumns.map(({ name }) => name).join(", ");
const LIVE = "revoked_at IS NULL AND expires_at >";
const NEWEST_FIRST = "ORDER BY created_at DESC, position DESC";

/**
 * Revokes the matching sessions that are not yet revoked, except `exceptId`, and returns them, oldest first. Where the
 * outcome of an earlier try is unknown, what it revoked counts too. All rows are locked first, in the order of their
 * keys.
 * @param condition on `$1`, which is `value`.
 */
export async function revokeWhere(
  transaction: Transaction,
  isUnknown: boolean,
  condition: string,
  value: string | readonly Uint8Array[],
  { at, reason }: Revocation,
  exceptId?: string | null,
): Promise<readonly RevokedSession[]> {
  const revocation = { at, reason };
  const earlier = isUnknown ? await findRevoked(transaction, condition, value, revocation) : [];
  const except = exceptId == null ? null : idToBytes(exceptId);
  const { rows } = await transaction.last(
    `WITH target AS MATERIALIZED (
       SELECT id AS target_id FROM latchkey.sessions WHERE ${condition} AND revoked_at IS NULL
       ORDER BY id FOR NO KEY UPDATE
     )
     UPDATE latchkey.sessions SET
       revoked_at = CASE WHEN id = $4 THEN NULL ELSE $2::bigint END,
       revoked_for = CASE WHEN id = $4 THEN NULL ELSE $3 END,
       user_changes = user_changes + 1
     FROM target WHERE id = target_id AND revoked_at IS NULL
     RETURNING id, subject, created_at, position, revoked_at`,
    value,
    at,
    reason,
    except,
  );
  return oldestFirst([...earlier, ...rows.filter((row: Row) => row.revoked_at !== null)]);
}

/** Locks a subject's sessions that are not revoked, in the order of their keys, and returns their ids. */
export async function lockUnrevoked({ query }: Transaction, subject: string): Promise<ReadonlySet<string>> {
  const { rows } = await query(
    `SELECT id FROM latchkey.sessions WHERE subject = $1 AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE`,
    subject,
  );
  return new Set(rows.map((row: Row) => toId(row.id)));
}

/** What an act has revoked that was committed, oldest first. */
export async function findRevokedOf(
  transaction: Transaction,
  subject: string,
  revocation: Revocation,
): Promise<readonly RevokedSession[]> {
  return oldestFirst(await findRevoked(transaction, "subject = $1", subject, revocation));
}

async function findRevoked(
  { query }: Transaction,
  condition: string,
  value: string | readonly Uint8Array[],
  { at, reason }: Revocation,
): Promise<readonly Row[]> {
  const { rows } = await query(
    `SELECT id, subject, created_at, position FROM latchkey.sessions
     WHERE ${condition} AND revoked_at = $2 AND revoked_for = $3`,
    value,
    at,
    reason,
  );
  return rows;
}

function oldestFirst(rows: readonly Row[]): readonly RevokedSession[] {
  return [...rows]
    .sort((one, other) => one.created_at - other.created_at || one.position - other.position)
    .map((row) => ({ id: toId(row.id), subject: row.subject }));
}

/** Forces every decision under way about a subject's sessions to be made again. */
export async function touchSessions(transaction: Transaction, subject: string): Promise<void> {
  await transaction.last(
    `WITH target AS MATERIALIZED (
       SELECT id AS target_id FROM latchkey.sessions WHERE subject = $1 AND revoked_at IS NULL
       ORDER BY id FOR NO KEY UPDATE
     )
     UPDATE latchkey.sessions SET user_changes = user_changes + 1 FROM target WHERE id = target_id`,
    subject,
  );
}

export async function revokeSessions(
  runner: PostgresRunner,
  ids: readonly string[],
  revocation: Revocation,
): Promise<readonly string[]> {
  const bytes = ids.flatMap((id) => idToBytes(id) ?? []);
  if (bytes.length === 0) return [];
  const revoked = await runner.run((transaction, isUnknown) =>
    revokeWhere(transaction, isUnknown, "id = ANY ($1::bytea[])", bytes, revocation),
  );
  const found = new Set(revoked.map(({ id }) => id));
  return ids.filter((id) => found.delete(id));
}

export async function revokeSubjectSessions(
  runner: PostgresRunner,
  subject: string,
  revocation: Revocation,
  exceptId?: string,
): Promise<readonly string[]> {
  if (!isStorable(subject)) return [];
  const revoked = await runner.run((transaction, isUnknown) =>
    revokeWhere(transaction, isUnknown, "subject = $1", subject, revocation, exceptId),
  );
  return revoked.map(({ id }) => id);
}

/** What is appended to the log takes its lock after those of the sessions, as every act does. */
export async function revokeEverySession(
  runner: PostgresRunner,
  { afterId, limit, at, reason, alsoLogged }: EverySession,
): Promise<readonly RevokedSession[]> {
  const after = afterId === null ? Buffer.alloc(0) : idToBytes(afterId);
  const logged = alsoLogged === null ? null : idToBytes(alsoLogged);
  return runner.run(async ({ query, last }, isUnknown) => {
    const earlier = isUnknown
      ? await query(
          `SELECT id, subject FROM latchkey.sessions WHERE id > $1 AND revoked_at = $2 AND revoked_for = $3
           ORDER BY id LIMIT $4`,
          after,
          at,
          reason,
          limit,
        )
      : { rows: [] };
    const { rows } = earlier.rows.length > 0 ? earlier : await query(REVOKE_EVERY, after, at, reason, limit);
    if (logged !== null) {
      await query(`SELECT pg_notify('${REVOCATION_CHANNEL}', '')`);
      await last("INSERT INTO latchkey.revocations (session_id, at) VALUES ($1, $2)", logged, at);
    }
    return rows.map((row: Row) => ({ id: toId(row.id), subject: row.subject }));
  });
}

const REVOKE_EVERY = `
  WITH target AS MATERIALIZED (
    SELECT id AS target_id FROM latchkey.sessions WHERE id > $1 AND ${LIVE} $2
    ORDER BY id LIMIT $4 FOR NO KEY UPDATE
  ), revoked AS (
    UPDATE latchkey.sessions SET revoked_at = $2, revoked_for = $3
    FROM target WHERE id = target_id RETURNING id, subject
  )
  SELECT id, subject FROM revoked ORDER BY id`;

export async function findSession(runner: PostgresRunner, id: string): Promise<Session | null> {
  const bytes = idToBytes(id);
  if (bytes === null) return null;
  const { rows } = await runner.run(({ last }) =>
    last(`SELECT ${COLUMNS} FROM latchkey.sessions WHERE id = $1`, bytes),
  );
  return rows.length === 0 ? null : toSession(rows[0]);
}

export async function listSessions(
  runner: PostgresRunner,
  subject: string,
  now: number,
  limit: number,
): Promise<readonly Session[]> {
  if (!isStorable(subject)) return [];
  const { rows } = await runner.run(({ last }) =>
    last(
      `SELECT ${COLUMNS} FROM latchkey.sessions WHERE subject = $1 AND ${LIVE} $2 ${NEWEST_FIRST} LIMIT $3`,
      subject,
      now,
      limit,
    ),
  );
  return rows.map(toSession);
}

export async function listSessionAddresses(
  runner: PostgresRunner,
  subject: string,
  now: number,
  usedAfter: number,
): Promise<readonly string[]> {
  if (!isStorable(subject)) return [];
  const { rows } = await runner.run(({ last }) =>
    last(
      `SELECT DISTINCT address FROM (
         SELECT ip, last_ip FROM latchkey.sessions WHERE subject = $1 AND ${LIVE} $2 AND rotated_at > $3
         ${NEWEST_FIRST} LIMIT 1000
       ) AS newest, unnest(ARRAY[ip, last_ip]) AS address WHERE address IS NOT NULL`,
      subject,
      now,
      usedAfter,
    ),
  );
  return rows.map(({ address }) => address);
}

export async function listLiveSessions(
  runner: PostgresRunner,
  now: number,
  limit: number,
): Promise<readonly Session[]> {
  const { rows } = await runner.run(({ last }) =>
    last(`SELECT ${COLUMNS} FROM latchkey.sessions WHERE ${LIVE} $1 ${NEWEST_FIRST} LIMIT $2`, now, limit),
  );
  return rows.map(toSession);
}

export async function listRevocations(
  runner: PostgresRunner,
  afterSequence: number,
  since: number,
  limit: number,
): Promise<readonly RevocationEntry[]> {
  const { rows } = await runner.run(({ last }) =>
    last(
      `SELECT sequence, session_id, at FROM latchkey.revocations
       WHERE sequence > $1 AND at >= $2 ORDER BY sequence LIMIT $3`,
      afterSequence,
      since,
      limit,
    ),
  );
  return rows.map((row: Row) => ({ sequence: row.sequence, sessionId: toId(row.session_id), at: row.at }));
}
