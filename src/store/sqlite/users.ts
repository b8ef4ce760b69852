import type { SetupLink } from "../../records/setup-link.ts";
import { isAdmin, type User } from "../../records/user.ts";
import type { PasswordChange, PasswordChangeRefusal, PasswordHashReplacement, UserImported } from "../user-store.ts";
import type { Query, SqliteDatabase } from "./database.ts";
import { USER_JSON } from "./rows.ts";
import { pause, type SqliteSessions } from "./sessions.ts";

/** In the words of the index that leaves all other users out, or SQLite would read them all. */
const IMPORTED = `password_hash >= 'imported:' AND password_hash < 'imported;'`;

/** Likewise; the index holds some more, whose roles only contain the text. */
const IS_ADMIN = `instr(roles, '"admin"') > 0 AND EXISTS (SELECT 1 FROM json_each(roles) WHERE value = 'admin')`;

/** How many users are imported before the event loop continues. */
const IMPORT_SLICE = 20;

/** The acts on users. Each is whole only inside the transaction that its caller runs it in. */
export class SqliteUsers {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #sessions: SqliteSessions;
  /** Queries that may give, or look at, more rows than the event loop may wait for. */
  readonly long: Readonly<{ list: Query<[afterUsername: string, limit: number], User> }>;

  constructor(database: SqliteDatabase, sessions: SqliteSessions) {
    this.#statements = prepare(database);
    this.#sessions = sessions;
    this.long = { list: this.#statements.list };
  }

  create(user: User): User | null {
    const written = this.#statements.insert.run(
      user.id,
      user.username,
      user.canonicalUsername,
      user.passwordHash,
      JSON.stringify(user.roles),
      user.createdAt,
      user.updatedAt,
      user.disabledAt,
      user.credentialsVersion,
    );
    return written === 1 ? user : null;
  }

  async import(users: readonly User[]): Promise<readonly UserImported[]> {
    const results: UserImported[] = [];
    for (const [index, user] of users.entries()) {
      if (index > 0 && index % IMPORT_SLICE === 0) await pause();
      results.push(this.#importOne(user));
    }
    return results;
  }

  #importOne(user: User): UserImported {
    const holder = this.find(user.id);
    if (holder !== null) return holder.canonicalUsername === user.canonicalUsername ? "known" : "id_taken";
    return this.create(user) === null ? "username_taken" : "created";
  }

  createFirstAdmin(user: User, link?: SetupLink): User | "not_first" | "username_taken" | "link_used" {
    if (this.hasAdmin()) return "not_first";
    if (link !== undefined && this.#statements.findUsedLink.first(link.id) !== null) return "link_used";
    if (this.create(user) === null) return "username_taken";
    this.#statements.forgetUsedLinks.run(user.createdAt);
    if (link !== undefined) this.#statements.useLink.run(link.id, link.expiresAt);
    return user;
  }

  hasAdmin(): boolean {
    return this.#statements.findAdmin.first() !== null;
  }

  find(id: string): User | null {
    return this.#statements.find.first(id);
  }

  findByUsername(canonicalUsername: string): User | null {
    return this.#statements.findByUsername.first(canonicalUsername);
  }

  async changePassword(change: PasswordChange): Promise<readonly string[] | PasswordChangeRefusal> {
    const { session, fromSessionId, credentialsVersion, newHash } = change;
    const { subject: userId, createdAt: at } = session;
    const from = fromSessionId === null ? undefined : this.#sessions.find(fromSessionId);
    if (from !== undefined && (from?.subject !== userId || from.revokedAt !== null)) return "session_revoked";
    const creation = { session, credentialsVersion, sessionLimit: 0 };
    if (this.#sessions.create([creation])[0]?.created !== true) return "changed_meanwhile";
    this.#statements.setPasswordHash.run(newHash, at, userId);
    return this.#sessions.revokeSubject(userId, { at, reason: "password_changed" }, session.id);
  }

  replacePasswordHash({ userId, expectedHash, expectedVersion, newHash }: PasswordHashReplacement): boolean {
    return this.#statements.replacePasswordHash.run(newHash, userId, expectedHash, expectedVersion) === 1;
  }

  findLastImportedHash(): string | null {
    return this.#statements.findLastImportedHash.first();
  }

  async disable(id: string, at: number): Promise<readonly string[] | "last_admin" | null> {
    const user = this.find(id);
    if (user === null) return null;
    if (user.disabledAt === null && this.#isLastAdmin(user)) return "last_admin";
    if (user.disabledAt === null) this.#statements.setDisabledAt.run(at, at, id);
    return this.#sessions.revokeSubject(id, { at, reason: "user_disabled" });
  }

  enable(id: string, at: number): boolean {
    const user = this.find(id);
    if (user === null) return false;
    if (user.disabledAt !== null) this.#statements.setDisabledAt.run(null, at, id);
    return true;
  }

  setRoles(id: string, roles: readonly string[], at: number): boolean | "last_admin" {
    const user = this.find(id);
    if (user === null) return false;
    if (!isAdmin(roles) && this.#isLastAdmin(user)) return "last_admin";
    this.#statements.setRoles.run(JSON.stringify(roles), at, id);
    return true;
  }

  #isLastAdmin({ id, roles }: User): boolean {
    return isAdmin(roles) && this.#statements.findOtherAdmin.first(id) === null;
  }
}

function prepare(database: SqliteDatabase) {
  return {
    find: database.query<[id: string], User>(USER_JSON, "FROM users u WHERE u.id = ?"),
    findByUsername: database.query<[canonicalUsername: string], User>(
      USER_JSON,
      "FROM users u WHERE u.canonical_username = ?",
    ),
    findAdmin: database.query<[], number>("'1'", `FROM users WHERE ${IS_ADMIN} LIMIT 1`),
    findOtherAdmin: database.query<[exceptId: string], number>(
      "'1'",
      `FROM users WHERE ${IS_ADMIN} AND disabled_at IS NULL AND id <> ? LIMIT 1`,
    ),
    findUsedLink: database.query<[id: string], number>("'1'", "FROM used_setup_links WHERE id = ?"),
    useLink: database.command<[id: string, expiresAt: number]>(
      "INSERT INTO used_setup_links (id, expires_at) VALUES (?, ?)",
    ),
    forgetUsedLinks: database.command<[now: number]>("DELETE FROM used_setup_links WHERE expires_at <= ?"),
    list: database.query<[afterUsername: string, limit: number], User>(
      USER_JSON,
      "FROM users u WHERE u.canonical_username > ? ORDER BY u.canonical_username LIMIT ?",
    ),
    insert: database.command(
      `INSERT INTO users (
         id, username, canonical_username, password_hash, roles, created_at, updated_at, disabled_at, credentials_version
       ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (canonical_username) DO NOTHING`,
    ),
    setPasswordHash: database.command<[passwordHash: string, at: number, id: string]>(
      "UPDATE users SET password_hash = ?, updated_at = ? WHERE id = ?",
    ),
    replacePasswordHash: database.command<[newHash: string, id: string, expectedHash: string, expectedVersion: number]>(
      "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ? AND credentials_version = ?",
    ),
    findLastImportedHash: database.query<[], string>(
      "json_quote(password_hash)",
      `FROM users WHERE ${IMPORTED} ORDER BY password_hash DESC LIMIT 1`,
    ),
    setDisabledAt: database.command<[disabledAt: number | null, at: number, id: string]>(
      "UPDATE users SET disabled_at = ?, updated_at = ? WHERE id = ?",
    ),
    setRoles: database.command<[roles: string, at: number, id: string]>(
      "UPDATE users SET roles = ?, updated_at = ? WHERE id = ?",
    ),
  };
}
