import { resolve } from "node:path";
import { LatchkeyError } from "../../errors.ts";
import { MOST_SESSIONS_LISTED } from "../session-store.ts";
import type { Store } from "../store.ts";
import type { StoreCounts } from "../store-operation.ts";
import { SqliteAccessLifetimes } from "./access-lifetimes.ts";
import { SqliteAttempts } from "./attempts.ts";
import { SqliteClients } from "./clients.ts";
import type { Parameter, Query, SqliteDatabase } from "./database.ts";
import { SqliteKeys } from "./keys.ts";
import { IN_MEMORY, identifyFile, openSqliteDatabase, proveWritable } from "./open.ts";
import { type SqliteStoreOptions, sqliteStoreOptions } from "./options.ts";
import { createSqliteReader } from "./reader.ts";
import { createRunner } from "./retry.ts";
import { SqliteSessions } from "./sessions.ts";
import { SqliteUsers } from "./users.ts";

export type { SqliteStoreOptions } from "./options.ts";

/**
 * A store in one SQLite file, or in memory with the path `:memory:`. Creates the file, with mode 0600, if it does not
 * exist; its directory must exist and be writable, since SQLite creates two more files next to it. Several processes on
 * one machine may share the file.
 *
 * Rejects with `store_unusable` if the path cannot be used or the file is damaged, not Latchkey's, or newer than this
 * version, and with `store_unavailable` if it is locked or the disk is full; `detail` names the cause and what to do.
 * @example
 * ```ts
 * import { createSqliteStore } from "latchkey/sqlite";
 *
 * const store = await createSqliteStore("/var/lib/app/latchkey.db", { lockTimeoutSeconds: 5 });
 * ```
 */
export async function createSqliteStore(path: string, options: SqliteStoreOptions = {}): Promise<Store> {
  const { lockTimeoutSeconds, environment } = sqliteStoreOptions.resolve(options);
  const { clock, random } = environment;
  const place = readPath(path);
  const run = createRunner({ place, lockTimeoutSeconds, random });
  const database = await openSqliteDatabase(place, run);
  const openedFile = place === IN_MEMORY ? null : identifyFile(place);

  const acts = await run(() => prepareActs(database)).catch((error) => {
    database.close();
    throw error;
  });
  const { sessions, users, clients, lifetimes, keys, attempts, operatorEvents, counts } = acts;
  const statistics = { transactions: 0, sessionWrites: 0 };

  function read<T>(act: () => T | Promise<T>): Promise<T> {
    return run(() =>
      database.whenFree(() => {
        if (!database.isOpen) throw closedError();
        return act();
      }),
    );
  }
  async function write<T>(act: () => T): Promise<T> {
    // In memory there is no disk to wait for.
    const result = await read(() => (place === IN_MEMORY ? database.transaction(act) : database.transactionAside(act)));
    statistics.transactions += 1;
    return result;
  }
  async function writeLong<T>(act: () => Promise<T>): Promise<T> {
    const result = await read(() => database.longTransaction(act));
    statistics.transactions += 1;
    return result;
  }

  const degradedListeners = new Set<(detail: string) => void>();
  let degraded: string | undefined;
  const reader = createSqliteReader({
    path: place,
    now: () => clock.now(),
    onFailure(error) {
      degraded = withoutThread(error);
      for (const listener of degradedListeners) listener(degraded);
    },
  });
  /** For reads that may scan every row. In memory there is no second connection. */
  async function readLong<P extends readonly Parameter[], Row>(query: Query<P, Row>, ...parameters: P): Promise<Row[]> {
    if (place !== IN_MEMORY) {
      // A file that has replaced the opened one must not be read instead of it.
      if (database.isOpen && identifyFile(place) !== openedFile) throw replacedError(place);
      const question = query.elsewhere(...parameters);
      if (question === null) return [];
      const rows = database.isOpen ? await run(() => reader.all(question)) : undefined;
      if (rows !== undefined) return rows;
    }
    return read(() => query.all(...parameters));
  }

  /**
   * Without waiting for the disk: counts matter for at most an hour, and a login has more to wait for. With the next
   * durable commit it is durable too. Not counted in the statistics, like reads.
   */
  function count<T>(act: () => T): Promise<T> {
    return read(() => {
      database.execute("PRAGMA synchronous = NORMAL");
      try {
        return database.transaction(act);
      } finally {
        database.execute("PRAGMA synchronous = FULL");
      }
    });
  }
  const now = () => clock.now();

  return {
    description: `sqlite:${place}`,
    statistics,

    createSessions: (batch) => write(() => sessions.create(batch)),
    changeSessions: async (ids, decide) => {
      statistics.sessionWrites += await write(() => sessions.change(ids, decide));
    },
    revokeSessions: (ids, revocation) => write(() => sessions.revoke(ids, revocation)),
    revokeSubjectSessions: (subject, revocation, exceptId) =>
      writeLong(() => sessions.revokeSubject(subject, revocation, exceptId)),
    revokeEverySession: (request) => write(() => sessions.revokeEvery(request)),
    findSession: (id) => read(() => sessions.find(id)),
    listSessionAddresses: (subject, now, usedAfter) => read(() => sessions.listAddresses(subject, now, usedAfter)),
    listSessions: async (subject, now, limit = MOST_SESSIONS_LISTED) =>
      (await read(() => sessions.listFew(subject, now, limit))) ?? readLong(sessions.long.list, subject, now, limit),
    listLiveSessions: (now, limit) => readLong(sessions.long.listLive, now, limit),
    listRevocations: async (afterSequence, since, limit) =>
      (await read(() => sessions.listRevocationsNear(afterSequence, since, limit))) ??
      readLong(sessions.long.listRevocations, afterSequence, since, limit),

    createUser: (user) => write(() => users.create(user)),
    importUsers: (batch) => writeLong(() => users.import(batch)),
    createFirstAdmin: (user, link) => write(() => users.createFirstAdmin(user, link)),
    hasAdmin: () => read(() => users.hasAdmin()),
    findUser: (id) => read(() => users.find(id)),
    findUserByUsername: (canonicalUsername) => read(() => users.findByUsername(canonicalUsername)),
    listUsers: (afterUsername, limit) => readLong(users.long.list, afterUsername, limit),
    changePassword: (change) => writeLong(() => users.changePassword(change)),
    replacePasswordHash: (replacement) => write(() => users.replacePasswordHash(replacement)),
    findLastImportedHash: () => read(() => users.findLastImportedHash()),
    disableUser: (id, at) => writeLong(() => users.disable(id, at)),
    enableUser: (id, at) => write(() => users.enable(id, at)),
    setRoles: (id, roles, at) => write(() => users.setRoles(id, roles, at)),

    createClient: (client) => write(() => clients.create(client)),
    findClient: (id) => read(() => clients.find(id)),
    listClients: (afterId, limit) => readLong(clients.long.list, afterId, limit),
    disableClient: (id, at) => writeLong(() => clients.disable(id, at)),
    enableClient: (id, grantId, at) => write(() => clients.enable(id, grantId, at)),

    listAccessLifetimes: () => read(() => lifetimes.list()),
    keepAccessLifetime: (lifetime, outlivedBy) => write(() => lifetimes.keep(lifetime, outlivedBy)),

    readSigningKeys: () => read(() => keys.read()),
    replaceSigningKeys: (expectedVersion, ring) => write(() => keys.replace(expectedVersion, ring)),

    sweep: (request) => writeLong(() => sessions.sweep(request)),
    count: async (now) => (await readLong(counts, now))[0]!,

    notifiesRevocations: false,
    onRevocation: () => () => {},

    sharesAttempts: true,
    // If no attempts are left, nothing is written.
    takeAttempts: async (limits) =>
      (await read(() => attempts.refusal(limits, now()))) ?? count(() => attempts.take(limits, now())),
    giveBackAttempts: (counted, forgotten) => count(() => attempts.giveBack(counted, forgotten)),
    sweepAttempts: (limit) => count(() => attempts.sweep(now(), limit)),
    listAttempts: (afterKey, limit) => read(() => attempts.list(afterKey, now(), limit)),
    forgetAttempts: (given) => count(() => attempts.forget(given)),

    addOperatorEvents: (events) =>
      write(() => {
        for (const event of events) operatorEvents.add.run(event);
      }),
    takeOperatorEvents: async (limit) => {
      if ((await read(() => operatorEvents.list.first())) === null) return [];
      return write(() => {
        const taken = operatorEvents.take.all(limit);
        for (const { position } of taken) operatorEvents.remove.run(position);
        return taken.map(({ event }) => JSON.stringify(event));
      });
    },

    check: () =>
      read(() => {
        if (place !== IN_MEMORY && identifyFile(place) !== openedFile) throw replacedError(place);
        return proveWritable(database, place);
      }),
    hasOwnClock: false,
    readClock: async () => now(),
    onDegraded(listener) {
      degradedListeners.add(listener);
      if (degraded !== undefined) listener(degraded);
      return () => degradedListeners.delete(listener);
    },
    async close() {
      await reader.close();
      await database.whenFree(() => {
        if (!database.isOpen) return;
        try {
          database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
        } catch {
          // The file is then not complete on its own, but nothing is lost: the next process that opens it also reads
          // the log next to it.
        }
        database.close();
      });
    },
  };
}

function prepareActs(database: SqliteDatabase) {
  const sessions = new SqliteSessions(database);
  const users = new SqliteUsers(database, sessions);
  const clients = new SqliteClients(database, sessions);
  const lifetimes = new SqliteAccessLifetimes(database);
  const keys = new SqliteKeys(database);
  const attempts = new SqliteAttempts(database);
  const operatorEvents = {
    add: database.command<[event: string]>("INSERT INTO operator_events (event) VALUES (?)"),
    list: database.query<[], number>("'1'", "FROM operator_events LIMIT 1"),
    take: database.query<[limit: number], { readonly position: number; readonly event: unknown }>(
      "json_object('position', position, 'event', json(event))",
      "FROM operator_events ORDER BY position LIMIT ?",
    ),
    remove: database.command<[position: number]>("DELETE FROM operator_events WHERE position = ?"),
  };
  const counts = database.query<[now: number], StoreCounts>(
    `json_object(
       'users', (SELECT count(*) FROM users),
       'disabledUsers', (SELECT count(*) FROM users WHERE disabled_at IS NOT NULL),
       'admins', (SELECT count(*) FROM users WHERE disabled_at IS NULL AND instr(roles, '"admin"') > 0
                  AND EXISTS (SELECT 1 FROM json_each(roles) WHERE value = 'admin')),
       'liveSessions', count(*) FILTER (WHERE revoked_at IS NULL AND expires_at > ?),
       'revokedSessions', count(revoked_at))`,
    "FROM sessions",
  );
  return { sessions, users, clients, lifetimes, keys, attempts, operatorEvents, counts };
}

/** An absolute path never looks like the URLs that SQLite and libsql know, regardless of its characters. */
function readPath(path: string): string {
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw new TypeError(`createSqliteStore: the path must be the path of a file, or '${IN_MEMORY}'.`);
  }
  if (path.startsWith("sqlite:")) throw new TypeError("createSqliteStore: pass the path alone, without 'sqlite:'.");
  return path === IN_MEMORY ? path : resolve(path);
}

function withoutThread(error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  return `The thread for long reads cannot run (${reason}), so counts and long lists delay other requests. It is restarted in a minute.`;
}

function closedError(): LatchkeyError {
  return new LatchkeyError("store_unavailable", { detail: "The store has been closed.", retryAfterSeconds: 1 });
}

function replacedError(place: string): LatchkeyError {
  return new LatchkeyError("store_unusable", {
    detail: `${place} was deleted or replaced while it was open, so new writes are lost. Stop Latchkey, put the right file in place, and start Latchkey again.`,
  });
}
