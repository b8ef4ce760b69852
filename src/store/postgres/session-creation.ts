import { FIRST_PARTY_CLIENT_ID, type Session } from "../../records/session.ts";
import type { SessionCreated, SessionCreation } from "../session-store.ts";
import { lockSessionIds, lockSubjects } from "./connection/locks.ts";
import type { PostgresRunner, Transaction } from "./connection/transaction.ts";
import { checked, idToBytes, insertion, isStorable, type Row, sessionColumns, toId } from "./rows.ts";

/** A live session of a subject, as far as the session limit looks at it. */
interface Live {
  readonly id: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

interface Eviction {
  readonly id: string;
  readonly at: number;
}

/**
 * Creates sessions. Users, clients, ids and subjects are locked first, in this order and each in that of their keys, so that nobody
 * is disabled, and no other session of theirs opened, between the look at them and the commit.
 */
export async function createSessions(
  runner: PostgresRunner,
  batch: readonly SessionCreation[],
): Promise<readonly SessionCreated[]> {
  if (batch.length === 0) return [];
  const { sql, parameters } = insertion(
    "sessions",
    sessionColumns,
    batch.map(({ session }) => session),
  );
  return runner.run(async (transaction, isUnknown) => {
    if (isUnknown) {
      const committed = await findCommitted(transaction, batch);
      if (committed !== null) return committed;
    }
    const isAllowed = await lockOwners(transaction, batch);
    const { taken, ended } = await lockIds(transaction, batch);
    const allowed = batch.map((creation) => {
      const { session, ifAbsent } = creation;
      if (!isAllowed(creation) || (ifAbsent === true && (taken.has(session.id) || ended.has(session.id)))) return false;
      taken.add(session.id);
      return true;
    });
    const notCreated = ({ session, ifAbsent }: SessionCreation): SessionCreated =>
      ifAbsent === true && ended.has(session.id) ? { created: false, hasEnded: true } : { created: false };
    if (!allowed.includes(true)) return batch.map(notCreated);

    const created = batch.filter((_, index) => allowed[index]);
    const live = await lockLive(transaction, created);
    const results = batch.map((creation, index): SessionCreated => {
      if (!allowed[index]) return notCreated(creation);
      return { created: true, evicted: evict(live, creation) };
    });
    const evictions = results.flatMap((result, index): Eviction[] =>
      result.created ? result.evicted.map((id) => ({ id, at: batch[index]!.session.createdAt })) : [],
    );
    await rememberAdopted(
      transaction,
      created.flatMap(({ session, ifAbsent }) => (ifAbsent === true ? [session.id] : [])),
    );
    const columns = parameters.map((column) => (column as never[]).filter((_, index) => allowed[index]));
    if (evictions.length === 0) {
      await transaction.last(sql, ...columns);
    } else {
      await transaction.query(sql, ...columns);
      await transaction.last(
        EVICT,
        evictions.map(({ id }) => idToBytes(id)),
        evictions.map(({ at }) => at),
      );
    }
    return results;
  });
}

const EVICT = `
  WITH target AS MATERIALIZED (
    SELECT s.id AS target_id, t.at AS target_at
    FROM unnest($1::bytea[], $2::bigint[]) AS t (id, at) JOIN latchkey.sessions s USING (id)
    ORDER BY s.id FOR NO KEY UPDATE OF s
  )
  UPDATE latchkey.sessions SET revoked_at = target_at, revoked_for = 'session_limit'
  FROM target WHERE id = target_id AND revoked_at IS NULL`;

/** What an earlier try created, if it was committed after all: the salts are unique. */
async function findCommitted(
  { query }: Transaction,
  batch: readonly SessionCreation[],
): Promise<readonly SessionCreated[] | null> {
  const ids = batch.map(({ session }) => idToBytes(session.id));
  const { rows } = await query(
    `SELECT s.id, s.salt, coalesce((
       SELECT array_agg(e.id ORDER BY e.created_at, e.position) FROM latchkey.sessions e
       WHERE e.subject = s.subject AND e.revoked_at = s.created_at AND e.revoked_for = 'session_limit'), '{}') AS evicted
     FROM latchkey.sessions s WHERE s.id = ANY ($1::bytea[])`,
    ids,
  );
  const found = new Map(rows.map((row: Row) => [toId(row.id), row]));
  const results = batch.map(({ session }): SessionCreated => {
    const row = found.get(session.id);
    return row?.salt.equals(session.salt) ? { created: true, evicted: row.evicted.map(toId) } : { created: false };
  });
  return results.some(({ created }) => created) ? results : null;
}

/** Locks the users and clients against changes, and returns whether a session may be created. */
async function lockOwners(transaction: Transaction, batch: readonly SessionCreation[]) {
  const subjects = [...new Set(batch.map(({ session }) => session.subject))];
  const { rows: users } = await transaction.query(
    "SELECT id, credentials_version, disabled_at FROM latchkey.users WHERE id = ANY ($1::text[]) ORDER BY id FOR SHARE",
    checked(subjects),
  );
  const disabledClients = await lockClients(
    transaction,
    batch.map(({ session }) => session.clientId),
  );
  const userOf = new Map(users.map((row: Row) => [row.id, row]));
  return ({ session, credentialsVersion }: SessionCreation): boolean => {
    const user = userOf.get(session.subject);
    if (user !== undefined && user.disabled_at !== null) return false;
    if (credentialsVersion !== null && user?.credentials_version !== credentialsVersion) return false;
    return !disabledClients.has(session.clientId);
  };
}

/** Locks clients against being changed, in the order of their ids, and returns those that are disabled. */
export async function lockClients({ query }: Transaction, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const clientIds = [...new Set(ids)].filter((id) => id !== FIRST_PARTY_CLIENT_ID);
  if (clientIds.length === 0) return new Set();
  const { rows } = await query(
    "SELECT id, disabled_at FROM latchkey.clients WHERE id = ANY ($1::text[]) ORDER BY id FOR SHARE",
    checked(clientIds),
  );
  return new Set(rows.filter((row: Row) => row.disabled_at !== null).map((row: Row) => row.id));
}

/**
 * Locks the ids that are to be used only if they are free, and returns those that sessions have, and those whose sessions have ended
 * and been swept.
 */
async function lockIds(
  transaction: Transaction,
  batch: readonly SessionCreation[],
): Promise<{ readonly taken: Set<string>; readonly ended: ReadonlySet<string> }> {
  const ids = batch.filter(({ ifAbsent }) => ifAbsent === true).map(({ session }) => session.id);
  if (ids.length === 0) return { taken: new Set(), ended: new Set() };
  await lockSessionIds(transaction, ids);
  const { rows } = await transaction.query(
    `SELECT id, s.id IS NOT NULL AS "isTaken", a.id IS NOT NULL AS "isRemembered"
     FROM unnest($1::bytea[]) AS wanted (id)
     LEFT JOIN latchkey.sessions s USING (id) LEFT JOIN latchkey.adopted_sessions a USING (id)`,
    ids.map(idToBytes) as Uint8Array[],
  );
  const which = (isMeant: (row: Row) => boolean) => new Set(rows.filter(isMeant).map((row: Row) => toId(row.id)));
  // Those that a process of the version before has adopted.
  await rememberAdopted(transaction, [...which(({ isTaken, isRemembered }) => isTaken && !isRemembered)]);
  return {
    taken: which(({ isTaken }) => isTaken),
    ended: which(({ isTaken, isRemembered }) => isRemembered && !isTaken),
  };
}

async function rememberAdopted({ query }: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await query(
    "INSERT INTO latchkey.adopted_sessions (id) SELECT unnest($1::bytea[]) ON CONFLICT (id) DO NOTHING",
    ids.map(idToBytes) as Uint8Array[],
  );
}

/** Locks the subjects that have a limit, and returns their live sessions, oldest first. */
async function lockLive(transaction: Transaction, created: readonly SessionCreation[]): Promise<Map<string, Live[]>> {
  const limited = created.filter(({ sessionLimit }) => sessionLimit > 0);
  const subjects = [...new Set(limited.map(({ session }) => session.subject))].filter(isStorable);
  if (subjects.length === 0) return new Map();
  await lockSubjects(transaction, subjects);
  const { rows } = await transaction.query(
    `SELECT id, subject, created_at, expires_at FROM latchkey.sessions
     WHERE subject = ANY ($1::text[]) AND revoked_at IS NULL ORDER BY created_at, position`,
    subjects,
  );
  const live = new Map<string, Live[]>(subjects.map((subject) => [subject, []]));
  for (const row of rows as Row[]) {
    live.get(row.subject)?.push({ id: toId(row.id), createdAt: row.created_at, expiresAt: row.expires_at });
  }
  return live;
}

/** Adds the session to its subject's live ones, and takes away those that give way to it. */
function evict(live: Map<string, Live[]>, { session, sessionLimit }: SessionCreation): readonly string[] {
  const mine = live.get(session.subject);
  if (mine === undefined) return [];
  const others = mine.filter(({ expiresAt }) => expiresAt > session.createdAt);
  const surplus = sessionLimit === 0 ? [] : others.slice(0, Math.max(0, others.length - (sessionLimit - 1)));
  const rest = mine.filter((one) => !surplus.includes(one));
  if (session.revokedAt === null) insertByAge(rest, session);
  live.set(session.subject, rest);
  return surplus.map(({ id }) => id);
}

function insertByAge(sessions: Live[], { id, createdAt, expiresAt }: Session): void {
  const at = sessions.findIndex((other) => other.createdAt > createdAt);
  sessions.splice(at === -1 ? sessions.length : at, 0, { id, createdAt, expiresAt });
}
