import type { SetupLink } from "../../records/setup-link.ts";
import { isAdmin, type User } from "../../records/user.ts";
import type { PasswordHashReplacement, UserImported } from "../user-store.ts";
import { lockFirstAdmin } from "./connection/locks.ts";
import type { PostgresRunner, Transaction } from "./connection/transaction.ts";
import { checked, insertion, isStorable, type Row, toUser, userColumns } from "./rows.ts";
import { HAS_IMPORTED_HASH } from "./schema.ts";
import { revokeWhere, touchSessions } from "./sessions.ts";

const COLUMNS = userColumns.map(({ name }) => name).join(", ");

export async function createUser(runner: PostgresRunner, user: User): Promise<User | null> {
  return runner.run(async (transaction, isUnknown) => {
    if (isUnknown && (await exists(transaction, user.id))) return user;
    return insertUser(transaction, user);
  });
}

/** A batch whose outcome was unknown, and that was committed after all, finds its users `known`. */
export async function importUsers(runner: PostgresRunner, users: readonly User[]): Promise<readonly UserImported[]> {
  return runner.run(async (transaction) => {
    const imported: UserImported[] = [];
    for (const user of users) imported.push(await importUser(transaction, user));
    return imported;
  });
}

async function importUser({ query }: Transaction, user: User): Promise<UserImported> {
  const { sql, parameters } = insertion("users", userColumns, [user], "ON CONFLICT DO NOTHING");
  if ((await query(sql, ...parameters)).rowCount === 1) return "created";
  const { rows } = await query("SELECT canonical_username FROM latchkey.users WHERE id = $1", user.id);
  if (rows.length === 0) return "username_taken";
  return rows[0].canonical_username === user.canonicalUsername ? "known" : "id_taken";
}

export async function createFirstAdmin(
  runner: PostgresRunner,
  user: User,
  link?: SetupLink,
): Promise<User | "not_first" | "username_taken" | "link_used"> {
  return runner.run(async (transaction, isUnknown) => {
    if (isUnknown && (await exists(transaction, user.id))) return user;
    await lockFirstAdmin(transaction);
    const { rows } = await transaction.query(FIND_ADMIN);
    if (rows.length > 0) return "not_first";
    if (link === undefined) return (await insertUser(transaction, user)) ?? "username_taken";
    const used = await transaction.query("SELECT FROM latchkey.used_setup_links WHERE id = $1", link.id);
    if (used.rows.length > 0) return "link_used";
    const { sql, parameters } = insertion("users", userColumns, [user], ON_NAME_TAKEN);
    if ((await transaction.query(sql, ...parameters)).rowCount === 0) return "username_taken";
    await transaction.query("DELETE FROM latchkey.used_setup_links WHERE expires_at <= $1", user.createdAt);
    const { id, expiresAt } = link;
    await transaction.last("INSERT INTO latchkey.used_setup_links (id, expires_at) VALUES ($1, $2)", id, expiresAt);
    return user;
  });
}

export async function hasAdmin(runner: PostgresRunner): Promise<boolean> {
  const { rows } = await runner.run(({ last }) => last(FIND_ADMIN));
  return rows.length > 0;
}

const ON_NAME_TAKEN = "ON CONFLICT (canonical_username) DO NOTHING";
const FIND_ADMIN = "SELECT FROM latchkey.users WHERE is_admin LIMIT 1";

async function insertUser(transaction: Transaction, user: User): Promise<User | null> {
  const { sql, parameters } = insertion("users", userColumns, [user], ON_NAME_TAKEN);
  const { rowCount } = await transaction.last(sql, ...parameters);
  return rowCount === 1 ? user : null;
}

async function exists(transaction: Transaction, id: string): Promise<boolean> {
  return (await transaction.query("SELECT FROM latchkey.users WHERE id = $1", id)).rows.length > 0;
}

export async function findUser(runner: PostgresRunner, id: string): Promise<User | null> {
  return findBy(runner, "id", id);
}

export async function findUserByUsername(runner: PostgresRunner, canonicalUsername: string): Promise<User | null> {
  return findBy(runner, "canonical_username", canonicalUsername);
}

async function findBy(runner: PostgresRunner, column: string, text: string): Promise<User | null> {
  if (!isStorable(text)) return null;
  const { rows } = await runner.run(({ last }) =>
    last(`SELECT ${COLUMNS} FROM latchkey.users WHERE ${column} = $1`, text),
  );
  return rows.length === 0 ? null : toUser(rows[0]);
}

export async function listUsers(
  runner: PostgresRunner,
  afterUsername: string,
  limit: number,
): Promise<readonly User[]> {
  if (!isStorable(afterUsername)) return [];
  const { rows } = await runner.run(({ last }) =>
    last(
      `SELECT ${COLUMNS} FROM latchkey.users WHERE canonical_username > $1 ORDER BY canonical_username LIMIT $2`,
      afterUsername,
      limit,
    ),
  );
  return rows.map((row: Row) => toUser(row));
}

export async function replacePasswordHash(
  runner: PostgresRunner,
  { userId, expectedHash, expectedVersion, newHash }: PasswordHashReplacement,
): Promise<boolean> {
  if (!isStorable(userId) || !isStorable(expectedHash)) return false;
  checked([newHash]);
  const { rowCount } = await runner.run(({ last }, isUnknown) =>
    last(
      `UPDATE latchkey.users SET password_hash = $3
       WHERE id = $1 AND (password_hash = $2 AND credentials_version = $5 OR $4 AND password_hash = $3)`,
      userId,
      expectedHash,
      newHash,
      isUnknown,
      expectedVersion,
    ),
  );
  return rowCount === 1;
}

export async function findLastImportedHash(runner: PostgresRunner): Promise<string | null> {
  const { rows } = await runner.run(({ last }) =>
    last(
      `SELECT password_hash FROM latchkey.users WHERE ${HAS_IMPORTED_HASH}
       ORDER BY password_hash COLLATE "C" DESC LIMIT 1`,
    ),
  );
  return rows[0]?.password_hash ?? null;
}

export async function disableUser(
  runner: PostgresRunner,
  userId: string,
  at: number,
): Promise<readonly string[] | "last_admin" | null> {
  if (!isStorable(userId)) return null;
  return runner.run(async (transaction, isUnknown) => {
    // Disabled already, perhaps by an earlier try, it is no longer one of the admins that are counted.
    if ((await adminsHeld(transaction, userId)) === "only_this_one") return "last_admin";
    const { rowCount } = await transaction.query(
      `UPDATE latchkey.users SET disabled_at = coalesce(disabled_at, $2),
         updated_at = CASE WHEN disabled_at IS NULL THEN $2 ELSE updated_at END
       WHERE id = $1`,
      userId,
      at,
    );
    if (rowCount === 0) return null;
    const revocation = { at, reason: "user_disabled" } as const;
    const revoked = await revokeWhere(transaction, isUnknown, "subject = $1", userId, revocation);
    return revoked.map(({ id }) => id);
  });
}

/**
 * Whether anybody but the user is an administrator who is not disabled. The rows are locked until the transaction ends, in one
 * order, so that of several acts that would each leave the other's administrator, the later one sees what the earlier has done.
 * For a user who is no administrator nothing is looked at.
 */
async function adminsHeld(transaction: Transaction, userId: string): Promise<"others" | "only_this_one" | "none"> {
  if (!(await holdsAdmin(transaction, userId))) return "others";
  const { rows } = await transaction.query(
    "SELECT id FROM latchkey.users WHERE is_admin AND disabled_at IS NULL ORDER BY id FOR NO KEY UPDATE",
  );
  if (rows.some(({ id }: Row) => id !== userId)) return "others";
  return rows.length === 0 ? "none" : "only_this_one";
}

async function holdsAdmin(transaction: Transaction, userId: string): Promise<boolean> {
  const { rows } = await transaction.query("SELECT FROM latchkey.users WHERE id = $1 AND is_admin", userId);
  return rows.length > 0;
}

export async function enableUser(runner: PostgresRunner, id: string, at: number): Promise<boolean> {
  if (!isStorable(id)) return false;
  const { rowCount } = await runner.run(({ last }) =>
    last(
      `UPDATE latchkey.users SET updated_at = CASE WHEN disabled_at IS NULL THEN updated_at ELSE $2 END, disabled_at = NULL
       WHERE id = $1`,
      id,
      at,
    ),
  );
  return rowCount === 1;
}

export async function setRoles(
  runner: PostgresRunner,
  userId: string,
  roles: readonly string[],
  at: number,
): Promise<boolean | "last_admin"> {
  if (!isStorable(userId)) return false;
  return runner.run(async (transaction) => {
    if (!isAdmin(roles)) {
      const held = await adminsHeld(transaction, userId);
      if (held === "only_this_one") return "last_admin";
      if (held === "none" && (await holdsAdmin(transaction, userId))) return "last_admin";
    }
    const { rowCount } = await transaction.query(
      "UPDATE latchkey.users SET roles = $2, is_admin = $3, updated_at = $4 WHERE id = $1",
      userId,
      JSON.stringify(roles),
      isAdmin(roles),
      at,
    );
    if (rowCount === 0) return false;
    await touchSessions(transaction, userId);
    return true;
  });
}
