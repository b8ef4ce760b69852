import { FIRST_PARTY_CLIENT_ID, type RevocationReason, type Session } from "../session.ts";
import type { Parameter, SqliteDatabase } from "./sqlite-database.ts";
import {
  bytesToHex,
  idFromHex,
  idToBytes,
  SESSION_JSON,
  type SessionJson,
  toSession,
  USER_JSON,
} from "./sqlite-rows.ts";
import {
  type Client,
  changedSession,
  type DisabledClient,
  type EverySession,
  type FoundSession,
  type Revocation,
  type RevocationEntry,
  type RevokedSession,
  type SessionCreated,
  type SessionCreation,
  type SessionDecision,
  type SweepRequest,
  type Swept,
  type User,
} from "./store.ts";

/** The plus keeps SQLite from looking up the end, at which it would read and sort every live session to give the newest. */
const LIVE = "s.revoked_at IS NULL AND +s.expires_at > ?";

/** The acts on sessions. Each is synchronous and is whole only inside the transaction that its caller runs it in. */
export class SqliteSessions {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: SqliteDatabase) {
    this.#statements = prepare(database);
  }

  create(batch: readonly SessionCreation[]): readonly SessionCreated[] {
    return batch.map((creation) => this.#createOne(creation));
  }

  /** Gives how many rows it wrote. */
  change(ids: readonly string[], decide: SessionDecision): number {
    if (new Set(ids).size !== ids.length) throw new TypeError("A batch may name each session once.");
    const found = this.#findWithUsers(ids);
    let written = 0;
    for (const [index, id] of ids.entries()) {
      const bytes = idToBytes(id);
      const one = found.get(id) ?? null;
      const change = decide(index, one);
      if (change === null || one === null || bytes === null) continue;
      written +=
        "revocation" in change
          ? this.#revokeOne(bytes, change.revocation)
          : this.#rotateOne(bytes, changedSession(one.session, change));
    }
    return written;
  }

  /** Gives the ids of those that were not yet revoked. */
  revoke(ids: readonly string[], revocation: Revocation): string[] {
    return ids.filter((id) => {
      const bytes = idToBytes(id);
      return bytes !== null && this.#revokeOne(bytes, revocation) === 1;
    });
  }

  /** Gives the ids of those that were not yet revoked. */
  revokeSubject(subject: string, revocation: Revocation, exceptId?: string | null): string[] {
    const ids = this.#statements.listUnrevokedIds.all(subject).filter((id) => id !== exceptId);
    return this.revoke(ids, revocation);
  }

  /** Gives those that were not yet revoked. */
  revokeClient(clientId: string, revocation: Revocation): DisabledClient["revoked"] {
    const sessions = this.#statements.listUnrevokedOfClient.all(clientId);
    this.revoke(
      sessions.map(({ id }) => id),
      revocation,
    );
    return sessions;
  }

  /** Gives those that it revoked, in the order of their ids' bytes. */
  revokeEvery({ afterId, limit, at, reason, alsoLogged }: EverySession): readonly RevokedSession[] {
    if (alsoLogged !== null) this.#statements.log.run(sessionBytes(alsoLogged), at);
    const after = afterId === null ? new Uint8Array() : sessionBytes(afterId);
    const found = this.#statements.listLiveAfter.all(after, at, limit);
    this.revoke(
      found.map(({ id }) => id),
      { at, reason },
    );
    return found;
  }

  find(id: string): Session | null {
    const bytes = idToBytes(id);
    return bytes === null ? null : this.#statements.find.first(bytes);
  }

  list(subject: string, now: number): readonly Session[] {
    return this.#statements.list.all(subject, now);
  }

  listLive(now: number, limit: number): readonly Session[] {
    return this.#statements.listLive.all(now, limit);
  }

  listRevocations(afterSequence: number, since: number, limit: number): readonly RevocationEntry[] {
    return this.#statements.listRevocations.all(afterSequence, since, limit);
  }

  sweep({ endedBy, revokedBy, limit }: SweepRequest): Swept {
    return {
      sessions: this.#statements.deleteEnded.run(endedBy, limit),
      revocations: this.#statements.deleteRevocations.run(revokedBy, limit),
    };
  }

  /** All of them with one statement: one for each took 6 µs of a refresh more. */
  #findWithUsers(ids: readonly string[]): ReadonlyMap<string, FoundSession> {
    const wanted = ids.map(idToBytes).filter((bytes) => bytes !== null);
    const found = this.#statements.findWithUsers.first(JSON.stringify(wanted.map(bytesToHex))) ?? [];
    return new Map(found.map((one) => [one.session.id, one]));
  }

  #createOne({ session, verifiedPasswordHash, sessionLimit, ifAbsent }: SessionCreation): SessionCreated {
    if (ifAbsent === true && this.#statements.find.first(sessionBytes(session.id)) !== null) return { created: false };
    const user = this.#statements.findUser.first(session.subject);
    if (user !== null && user.disabledAt !== null) return { created: false };
    if (verifiedPasswordHash !== null && user?.passwordHash !== verifiedPasswordHash) return { created: false };
    if (this.#isOfDisabledClient(session)) return { created: false };
    this.#insert(session);
    if (sessionLimit === 0) return { created: true, evicted: [] };
    const { id, subject, createdAt } = session;
    const others = this.#statements.listOtherLiveIds.all(subject, createdAt, sessionBytes(id));
    const surplus = others.slice(0, Math.max(0, others.length - (sessionLimit - 1)));
    return { created: true, evicted: this.revoke(surplus, { at: createdAt, reason: "session_limit" }) };
  }

  #isOfDisabledClient({ clientId }: Session): boolean {
    if (clientId === FIRST_PARTY_CLIENT_ID) return false;
    const client = this.#statements.findClient.first(clientId);
    return client !== null && client.disabledAt !== null;
  }

  #insert(session: Session): void {
    this.#statements.insert.run(
      sessionBytes(session.id),
      session.subject,
      session.clientId,
      session.salt,
      session.rotation.confirmed,
      session.rotation.pendingFrom,
      session.rotation.pendingTo,
      session.rotation.rotatedAt,
      session.createdAt,
      session.authTime,
      session.expiresAt,
      session.revokedAt,
      session.revokedFor,
      session.device,
      session.userAgent,
      session.ip,
      session.scope,
      toJson(session.amr),
      toJson(session.claims),
      session.jkt,
      session.lastIp,
      session.lastUserAgent,
      session.usedBefore,
      session.rotation.reuseForgivenAt,
    );
  }

  #rotateOne(id: Uint8Array, { rotation, authTime, lastIp, lastUserAgent, usedBefore }: Session): number {
    const { confirmed, pendingFrom, pendingTo, rotatedAt, reuseForgivenAt } = rotation;
    return this.#statements.rotate.run(
      confirmed,
      pendingFrom,
      pendingTo,
      rotatedAt,
      reuseForgivenAt,
      authTime,
      lastIp,
      lastUserAgent,
      usedBefore,
      id,
    );
  }

  #revokeOne(id: Uint8Array, { at, reason }: Revocation): number {
    return this.#statements.revoke.run(at, reason, id);
  }
}

function prepare(database: SqliteDatabase) {
  const sessions = <P extends readonly Parameter[]>(rest: string) =>
    database.query<P, Session, SessionJson>(SESSION_JSON, `FROM sessions s ${rest}`, toSession);
  const ids = <P extends readonly Parameter[]>(rest: string) =>
    database.query<P, string>("json_quote(hex(s.id))", `FROM sessions s ${rest}`, idFromHex);
  return {
    find: sessions<[id: Uint8Array]>("WHERE s.id = ?"),
    list: sessions<[subject: string, now: number]>(
      `WHERE s.subject = ? AND ${LIVE} ORDER BY s.created_at DESC, s.rowid DESC`,
    ),
    listLive: sessions<[now: number, limit: number]>(`WHERE ${LIVE} ORDER BY s.created_at DESC, s.rowid DESC LIMIT ?`),
    listUnrevokedIds: ids<[subject: string]>(
      "WHERE s.subject = ? AND s.revoked_at IS NULL ORDER BY s.created_at, s.rowid",
    ),
    listOtherLiveIds: ids<[subject: string, now: number, exceptId: Uint8Array]>(
      `WHERE s.subject = ? AND ${LIVE} AND s.id <> ? ORDER BY s.created_at, s.rowid`,
    ),
    findWithUsers: database.query<
      [hexIds: string],
      readonly FoundSession[],
      readonly { session: SessionJson; user: User | null }[]
    >(
      `json_group_array(json_object('session', ${SESSION_JSON}, 'user', iif(u.id IS NULL, NULL, ${USER_JSON})))`,
      // A cross join keeps its order in SQLite: each id is looked up, whatever the planner takes the tables for.
      `FROM json_each(?) wanted CROSS JOIN sessions s ON s.id = unhex(wanted.value)
       LEFT JOIN users u ON u.id = s.subject`,
      (found) => found.map(({ session, user }) => ({ session: toSession(session), user })),
    ),
    findUser: database.query<[id: string], Pick<User, "passwordHash" | "disabledAt">>(
      "json_object('passwordHash', password_hash, 'disabledAt', disabled_at)",
      "FROM users WHERE id = ?",
    ),
    findClient: database.query<[id: string], Pick<Client, "disabledAt">>(
      "json_object('disabledAt', disabled_at)",
      "FROM clients WHERE id = ?",
    ),
    listLiveAfter: database.query<[afterId: Uint8Array, now: number, limit: number], RevokedSession>(
      "json_object('id', hex(s.id), 'subject', s.subject)",
      `FROM sessions s WHERE s.id > ? AND ${LIVE} ORDER BY s.id LIMIT ?`,
      ({ id, subject }) => ({ id: idFromHex(id), subject }),
    ),
    log: database.command<[sessionId: Uint8Array, at: number]>(
      "INSERT INTO revocations (session_id, at) VALUES (?, ?)",
    ),
    listUnrevokedOfClient: database.query<[clientId: string], DisabledClient["revoked"][number]>(
      "json_object('id', hex(id), 'subject', subject)",
      `FROM sessions WHERE client_id = ? AND client_id <> '${FIRST_PARTY_CLIENT_ID}' AND revoked_at IS NULL
       ORDER BY created_at, rowid`,
      ({ id, subject }) => ({ id: idFromHex(id), subject }),
    ),
    listRevocations: database.query<[afterSequence: number, since: number, limit: number], RevocationEntry>(
      "json_object('sequence', sequence, 'sessionId', hex(session_id), 'at', at)",
      "FROM revocations WHERE sequence > ? AND at >= ? ORDER BY sequence LIMIT ?",
      (entry) => ({ ...entry, sessionId: idFromHex(entry.sessionId) }),
    ),
    rotate: database.command<
      [
        confirmed: number,
        pendingFrom: number,
        pendingTo: number,
        rotatedAt: number,
        reuseForgivenAt: number | null,
        authTime: number,
        lastIp: string | null,
        lastUserAgent: string | null,
        usedBefore: number | null,
        id: Uint8Array,
      ]
    >(
      `UPDATE sessions SET confirmed = ?, pending_from = ?, pending_to = ?, rotated_at = ?, reuse_forgiven_at = ?,
         auth_time = ?, last_ip = ?, last_user_agent = ?, used_before = ?
       WHERE id = ? AND revoked_at IS NULL`,
    ),
    revoke: database.command<[at: number, reason: RevocationReason, id: Uint8Array]>(
      "UPDATE sessions SET revoked_at = ?, revoked_for = ? WHERE id = ? AND revoked_at IS NULL",
    ),
    deleteEnded: database.command<[endedBy: number, limit: number]>(
      "DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
    ),
    deleteRevocations: database.command<[revokedBy: number, limit: number]>(
      `DELETE FROM revocations WHERE sequence IN
         (SELECT sequence FROM revocations WHERE at <= ? ORDER BY sequence LIMIT ?)`,
    ),
    insert: database.command(
      `INSERT INTO sessions (
         id, subject, client_id, salt, confirmed, pending_from, pending_to, rotated_at, created_at, auth_time, expires_at,
         revoked_at, revoked_for, device, user_agent, ip, scope, amr, claims, jkt,
         last_ip, last_user_agent, used_before, reuse_forgiven_at
       ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
  };
}

function sessionBytes(id: string): Uint8Array {
  const bytes = idToBytes(id);
  if (bytes === null) throw new TypeError("A session id is 16 bytes as base64url.");
  return bytes;
}

function toJson(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}
