import type { Session } from "../../records/session.ts";
import { changedSession, type SessionChange } from "../../records/session-change.ts";
import type { FoundSession, SessionDecision } from "../session-store.ts";
import type { Parameter } from "./connection/pool.ts";
import type { PostgresRunner, Transaction } from "./connection/transaction.ts";
import { failureOf } from "./errors.ts";
import { idToBytes, type Row, sessionColumns, toId, toSession, toUser, userColumns } from "./rows.ts";

/** How often those that lost a race are read and decided again before they are locked first. */
const MOST_RACES = 2;
const MOST_ATTEMPTS = 8;

/** What was read of a session, and what was decided to come of it. */
interface Plan {
  readonly index: number;
  readonly id: Buffer;
  readonly session: Session;
  readonly userChanges: number;
  readonly change: SessionChange;
}

/**
 * Reads sessions, lets `decide` say what becomes of each, and writes that: one round trip to read, one to compare and
 * write, none to write where nothing changes. Sessions that another process has changed in between are read and decided
 * again, and after some such races under lock. If the connection is lost, it first checks whether the change was
 * written. Returns how many rows it wrote.
 */
export async function changeSessions(
  runner: PostgresRunner,
  ids: readonly string[],
  decide: SessionDecision,
): Promise<number> {
  if (new Set(ids).size !== ids.length) throw new TypeError("A batch may name each session once.");
  let open = ids.map((id, index) => ({ index, id: idToBytes(id) }));
  let unknown: ReadonlyMap<number, Plan> = new Map();
  let written = 0;
  let plans: Plan[] = [];
  for (let attempts = 1; open.length > 0; attempts++) {
    plans = [];
    try {
      const bytes = open.flatMap(({ id }) => id ?? []);
      const plan = (found: ReadonlyMap<string, FoundRow>) => {
        plans = planned(open, found, decide, unknown);
        return plans;
      };
      const won =
        attempts <= MOST_RACES
          ? await race(runner, bytes, plan)
          : await runner.attempt(async (transaction) => {
              await transaction.query(LOCK, bytes);
              return write(transaction.last, plan(await read(transaction.query, bytes)));
            });
      written += won.size;
      const lost = plans.filter(({ index }) => !won.has(index));
      open = lost.map(({ index, id }) => ({ index, id }));
      unknown = new Map();
    } catch (error) {
      const failure = failureOf(error);
      if (failure === "final" || attempts === MOST_ATTEMPTS) throw runner.explain(error);
      if (failure === "unknown") unknown = new Map([...unknown, ...plans.map((plan) => [plan.index, plan] as const)]);
    }
    if (open.length > 0 && attempts > 1) await runner.pause(attempts - 1);
  }
  return written;
}

async function race(
  runner: PostgresRunner,
  ids: readonly Buffer[],
  plan: (found: ReadonlyMap<string, FoundRow>) => readonly Plan[],
): Promise<ReadonlySet<number>> {
  const found = ids.length === 0 ? new Map() : await runner.attempt(({ last }) => read(last, ids));
  const plans = plan(found);
  return plans.length === 0 ? new Set() : runner.attempt(({ last }) => write(last, plans));
}

interface FoundRow extends FoundSession {
  readonly userChanges: number;
}

/** Asks for every session, in order; what is to be written comes back. */
function planned(
  open: readonly { readonly index: number; readonly id: Buffer | null }[],
  found: ReadonlyMap<string, FoundRow>,
  decide: SessionDecision,
  unknown: ReadonlyMap<number, Plan>,
): Plan[] {
  const plans: Plan[] = [];
  for (const { index, id } of open) {
    const row = id === null ? undefined : found.get(toId(id));
    const earlier = unknown.get(index);
    if (earlier !== undefined && row !== undefined && isDone(earlier, row.session)) continue;
    const change = decide(index, row === undefined ? null : { session: row.session, user: row.user });
    if (id === null || row === undefined || change === null) continue;
    // What is revoked stays as it is.
    if (row.session.revokedAt !== null) continue;
    plans.push({ index, id, session: row.session, userChanges: row.userChanges, change });
  }
  return plans;
}

/** Whether a write whose outcome was unknown has been committed: the row is as it was to be. */
function isDone({ session, change }: Plan, now: Session): boolean {
  if ("revocation" in change)
    return now.revokedAt === change.revocation.at && now.revokedFor === change.revocation.reason;
  const { rotation, authTime } = changedSession(session, change);
  return (
    now.revokedAt === null &&
    now.authTime === authTime &&
    now.rotation.confirmed === rotation.confirmed &&
    now.rotation.pendingFrom === rotation.pendingFrom &&
    now.rotation.pendingTo === rotation.pendingTo &&
    now.rotation.rotatedAt === rotation.rotatedAt &&
    now.rotation.reuseForgivenAt === rotation.reuseForgivenAt
  );
}

async function read(query: Transaction["query"], ids: readonly Buffer[]): Promise<ReadonlyMap<string, FoundRow>> {
  const { rows } = await query(READ, ids);
  return new Map(
    rows.map((row: Row) => {
      const user = row.owner_id === null ? null : toUser(row, "owner_");
      return [toId(row.id), { session: toSession(row), user, userChanges: row.user_changes }];
    }),
  );
}

/** Returns the indexes of those that were still as they had been read. */
async function write(query: Transaction["query"], plans: readonly Plan[]): Promise<ReadonlySet<number>> {
  if (plans.length === 0) return new Set();
  const indexes = new Map(plans.map(({ id, index }) => [toId(id), index]));
  const { rows } = await query(WRITE, ...writeColumns.map(({ of }) => plans.map(of) as Parameter));
  return new Set(rows.map(({ id }: Row) => indexes.get(toId(id))!));
}

const READ = `
  SELECT ${sessionColumns.map(({ name }) => `s.${name}`).join(", ")}, s.user_changes,
         ${userColumns.map(({ name }) => `u.${name} AS owner_${name}`).join(", ")}
  FROM latchkey.sessions s LEFT JOIN latchkey.users u ON u.id = s.subject
  WHERE s.id = ANY ($1::bytea[])`;

const LOCK = "SELECT FROM latchkey.sessions WHERE id = ANY ($1::bytea[]) ORDER BY id FOR NO KEY UPDATE";

/** The values that were read are in `was_…`, and the new values in `to_…`. */
const writeColumns: readonly {
  readonly name: string;
  readonly type: string;
  readonly of: (plan: Plan) => Uint8Array | number | string | null;
}[] = [
  { name: "id", type: "bytea", of: ({ id }) => id },
  { name: "was_confirmed", type: "bigint", of: ({ session }) => session.rotation.confirmed },
  { name: "was_from", type: "bigint", of: ({ session }) => session.rotation.pendingFrom },
  { name: "was_to", type: "bigint", of: ({ session }) => session.rotation.pendingTo },
  { name: "was_rotated_at", type: "bigint", of: ({ session }) => session.rotation.rotatedAt },
  { name: "was_forgiven_at", type: "bigint", of: ({ session }) => session.rotation.reuseForgivenAt },
  { name: "was_auth_time", type: "bigint", of: ({ session }) => session.authTime },
  { name: "was_user_changes", type: "int", of: ({ userChanges }) => userChanges },
  { name: "to_confirmed", type: "bigint", of: (plan) => target(plan).rotation.confirmed },
  { name: "to_from", type: "bigint", of: (plan) => target(plan).rotation.pendingFrom },
  { name: "to_to", type: "bigint", of: (plan) => target(plan).rotation.pendingTo },
  { name: "to_rotated_at", type: "bigint", of: (plan) => target(plan).rotation.rotatedAt },
  { name: "to_auth_time", type: "bigint", of: (plan) => target(plan).authTime },
  { name: "to_forgiven_at", type: "bigint", of: (plan) => target(plan).rotation.reuseForgivenAt },
  { name: "to_last_ip", type: "text", of: (plan) => target(plan).lastIp },
  { name: "to_last_user_agent", type: "text", of: (plan) => target(plan).lastUserAgent },
  { name: "to_used_before", type: "bigint", of: (plan) => target(plan).usedBefore },
  { name: "to_revoked_at", type: "bigint", of: (plan) => target(plan).revokedAt },
  { name: "to_revoked_for", type: "text", of: (plan) => target(plan).revokedFor },
];

function target({ session, change }: Plan): Session {
  return changedSession(session, change);
}

/**
 * Rows that are still as they were read are locked in the order of their keys, so that two batches wait for each other and
 * never in a circle. They are then found again by their place, for which no index has to be asked; one that was changed while
 * the lock was waited for has another place by then, and has lost.
 */
const WRITE = `
  WITH locked AS MATERIALIZED (
    SELECT s.ctid AS place, t.*
    FROM unnest(${writeColumns.map(({ type }, at) => `$${at + 1}::${type}[]`).join(", ")})
      AS t (${writeColumns.map(({ name }) => (name === "id" ? "to_id" : name)).join(", ")})
    JOIN latchkey.sessions s ON s.id = to_id
    WHERE s.id = ANY ($1::bytea[]) AND s.revoked_at IS NULL AND s.user_changes = was_user_changes
      AND s.confirmed = was_confirmed AND s.pending_from = was_from AND s.pending_to = was_to
      AND s.rotated_at = was_rotated_at AND s.auth_time = was_auth_time
      AND s.reuse_forgiven_at IS NOT DISTINCT FROM was_forgiven_at
    ORDER BY s.id FOR NO KEY UPDATE OF s
  )
  UPDATE latchkey.sessions s SET
    confirmed = to_confirmed, pending_from = to_from, pending_to = to_to, rotated_at = to_rotated_at,
    reuse_forgiven_at = to_forgiven_at, last_ip = to_last_ip, last_user_agent = to_last_user_agent,
    used_before = to_used_before, auth_time = to_auth_time, revoked_at = to_revoked_at, revoked_for = to_revoked_for
  FROM locked WHERE s.ctid = place
  RETURNING s.id`;
