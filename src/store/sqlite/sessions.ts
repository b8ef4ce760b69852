import type { Client } from "../../records/client.ts";
import type { Revocation, RevocationEntry, RevokedSession } from "../../records/revocation.ts";
import { FIRST_PARTY_CLIENT_ID, type RevocationReason, type Session } from "../../records/session.ts";
import { changedSession } from "../../records/session-change.ts";
import type { User } from "../../records/user.ts";
import type { DisabledClient } from "../client-store.ts";
import type { EverySession, FoundSession, SessionCreated, SessionCreation, SessionDecision } from "../session-store.ts";
import type { SweepRequest, Swept } from "../store-operation.ts";
import type { Parameter, Query, SqliteDatabase } from "./database.ts";
import { bytesToHex, idFromHex, idToBytes, SESSION_JSON, type SessionJson, toSession, USER_JSON } from "./rows.ts";

/** The plus keeps SQLite from looking up the end, at which it would read and sort every live session to give the newest. */
const LIVE = "s.revoked_at IS NULL AND +s.expires_at > ?";

/** How many rows are read or changed before the event loop continues: some milliseconds' work. */
const FEW = 100;

/** Lets the event loop go on. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The acts on sessions. Each is whole only inside the transaction that its caller runs it in. */
export class SqliteSessions {
  readonly #database: SqliteDatabase;
  readonly #statements: ReturnType<typeof prepare>;
  /** Queries that may give, or look at, more rows than the event loop may wait for. */
  readonly long: Readonly<{
    list: Query<[subject: string, now: number, limit: number], Session>;
    listLive: Query<[now: number, limit: number], Session>;
    listRevocations: Query<[afterSequence: number, since: number, limit: number], RevocationEntry>;
  }>;

  constructor(database: SqliteDatabase) {
    this.#database = database;
    this.#statements = prepare(database);
    const { list, listLive, listRevocations } = this.#statements;
    this.long = { list, listLive, listRevocations };
  }

  create(batch: readonly SessionCreation[]): readonly SessionCreated[] {
    return batch.map((creation) => this.#createOne(creation));
  }

  /** Returns how many rows it wrote. */
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

  /** Returns the ids of those that were not yet revoked. */
  revoke(ids: readonly string[], revocation: Revocation): string[] {
    return ids.filter((id) => {
      const bytes = idToBytes(id);
      return bytes !== null && this.#revokeOne(bytes, revocation) === 1;
    });
  }

  /** Returns the ids of those that were not yet revoked. */
  async revokeSubject(subject: string, revocation: Revocation, exceptId?: string | null): Promise<readonly string[]> {
    const except = (exceptId != null && idToBytes(exceptId)) || new Uint8Array();
    const few = this.#statements.listUnrevokedIds.all(subject, except, FEW);
    if (few.length < FEW) return this.revoke(few, revocation);
    const revoked = await this.#revokeAside(
      `subject = ${textLiteral(subject)} AND id <> x'${bytesToHex(except)}'`,
      revocation,
    );
    return revoked.map(({ id }) => id);
  }

  /** Returns those that were not yet revoked. */
  revokeClient(clientId: string, revocation: Revocation): Promise<DisabledClient["revoked"]> {
    return this.#revokeAside(
      `client_id = ${textLiteral(clientId)} AND client_id <> '${FIRST_PARTY_CLIENT_ID}'`,
      revocation,
    );
  }

  /** For any number of them: on a thread, and read back a slice at a time from the log that the act has written. */
  async #revokeAside(which: string, { at, reason }: Revocation): Promise<readonly RevokedSession[]> {
    let last = this.#statements.newestLogged.first() ?? 0;
    await this.#database.executeAside(
      `UPDATE sessions SET revoked_at = ${at}, revoked_for = '${reason}' WHERE ${which} AND revoked_at IS NULL`,
    );
    const revoked: RevokedSession[] = [];
    for (;;) {
      const slice = this.#statements.listLogged.all(last, FEW);
      for (const { id, subject } of slice) revoked.push({ id, subject });
      if (slice.length < FEW) return revoked;
      last = slice.at(-1)!.sequence;
      await pause();
    }
  }

  /** Returns those that it revoked, in the order of their ids' bytes. */
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

  /** The first slice of them, which nearly always is all; `undefined` where there are more. */
  listFew(subject: string, now: number, limit: number): readonly Session[] | undefined {
    const found = this.#statements.list.all(subject, now, Math.min(limit, FEW));
    return found.length < FEW ? found : undefined;
  }

  listAddresses(subject: string, now: number, usedAfter: number): readonly string[] {
    const found = this.#statements.listAddresses.all(subject, now, usedAfter).flat();
    return [...new Set(found.filter((address) => address !== null))];
  }

  /** `undefined` where any number of entries that are too old may come first. */
  listRevocationsNear(afterSequence: number, since: number, limit: number): readonly RevocationEntry[] | undefined {
    const [next] = this.#statements.listRevocations.all(afterSequence, Number.MIN_SAFE_INTEGER, 1);
    if (next !== undefined && next.at < since) return undefined;
    return this.#statements.listRevocations.all(afterSequence, since, limit);
  }

  async sweep({ endedBy, revokedBy, limit }: SweepRequest): Promise<Swept> {
    const [ended, revoked] = [
      `SELECT rowid FROM sessions WHERE expires_at <= ${endedBy} ORDER BY expires_at LIMIT ${limit}`,
      `SELECT sequence FROM revocations WHERE at <= ${revokedBy} ORDER BY at, sequence LIMIT ${limit}`,
    ];
    return {
      sessions: await this.#deleteAside(`DELETE FROM sessions WHERE rowid IN (${ended})`),
      revocations: await this.#deleteAside(`DELETE FROM revocations WHERE sequence IN (${revoked})`),
    };
  }

  /** On a thread, since old rows are on pages that must be read from the disk. Returns how many rows. */
  async #deleteAside(sql: string): Promise<number> {
    await this.#database.executeAside(sql);
    return this.#statements.changes.first()!;
  }

  /** All of them with one statement: one for each took 6 µs of a refresh more. */
  #findWithUsers(ids: readonly string[]): ReadonlyMap<string, FoundSession> {
    const wanted = ids.map(idToBytes).filter((bytes) => bytes !== null);
    const found = this.#statements.findWithUsers.first(JSON.stringify(wanted.map(bytesToHex))) ?? [];
    return new Map(found.map((one) => [one.session.id, one]));
  }

  #createOne({ session, credentialsVersion, sessionLimit, ifAbsent }: SessionCreation): SessionCreated {
    if (ifAbsent === true && this.#statements.find.first(sessionBytes(session.id)) !== null) {
      this.#statements.rememberAdopted.run(sessionBytes(session.id));
      return { created: false };
    }
    if (ifAbsent === true && this.#statements.wasAdopted.first(sessionBytes(session.id)) !== null) {
      return { created: false, hasEnded: true };
    }
    const user = this.#statements.findUser.first(session.subject);
    if (user !== null && user.disabledAt !== null) return { created: false };
    if (credentialsVersion !== null && user?.credentialsVersion !== credentialsVersion) return { created: false };
    if (this.#isOfDisabledClient(session)) return { created: false };
    this.#insert(session);
    if (ifAbsent === true) this.#statements.rememberAdopted.run(sessionBytes(session.id));
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
    list: sessions<[subject: string, now: number, limit: number]>(
      `WHERE s.subject = ? AND ${LIVE} ORDER BY s.created_at DESC, s.rowid DESC LIMIT ?`,
    ),
    listAddresses: database.query<[subject: string, now: number, usedAfter: number], readonly (string | null)[]>(
      "json_array(s.ip, s.last_ip)",
      `FROM sessions s WHERE s.subject = ? AND ${LIVE} AND s.rotated_at > ? ORDER BY s.created_at DESC LIMIT 1000`,
    ),
    listLive: sessions<[now: number, limit: number]>(`WHERE ${LIVE} ORDER BY s.created_at DESC, s.rowid DESC LIMIT ?`),
    listUnrevokedIds: ids<[subject: string, exceptId: Uint8Array, limit: number]>(
      "WHERE s.subject = ? AND s.revoked_at IS NULL AND s.id <> ? ORDER BY s.created_at, s.rowid LIMIT ?",
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
      // A cross join keeps its order in SQLite: each id is looked up, regardless of how the planner estimates the
      // tables.
      `FROM json_each(?) wanted CROSS JOIN sessions s ON s.id = unhex(wanted.value)
       LEFT JOIN users u ON u.id = s.subject`,
      (found) => found.map(({ session, user }) => ({ session: toSession(session), user })),
    ),
    findUser: database.query<[id: string], Pick<User, "credentialsVersion" | "disabledAt">>(
      "json_object('credentialsVersion', credentials_version, 'disabledAt', disabled_at)",
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
    wasAdopted: database.query<[id: Uint8Array], number>("'1'", "FROM adopted_sessions WHERE id = ?"),
    rememberAdopted: database.command<[id: Uint8Array]>(
      "INSERT INTO adopted_sessions (id) VALUES (?) ON CONFLICT (id) DO NOTHING",
    ),
    log: database.command<[sessionId: Uint8Array, at: number]>(
      "INSERT INTO revocations (session_id, at) VALUES (?, ?)",
    ),
    newestLogged: database.query<[], number>("seq", "FROM sqlite_sequence WHERE name = 'revocations'"),
    listLogged: database.query<[afterSequence: number, limit: number], RevokedSession & { readonly sequence: number }>(
      "json_object('id', hex(s.id), 'subject', s.subject, 'sequence', r.sequence)",
      "FROM revocations r CROSS JOIN sessions s ON s.id = r.session_id WHERE r.sequence > ? ORDER BY r.sequence LIMIT ?",
      (row) => ({ ...row, id: idFromHex(row.id) }),
    ),
    changes: database.query<[], number>("changes()", ""),
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

/** For a statement that takes no parameters. The text has been looked for before, so it can be stored. */
function textLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function toJson(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}
