import { resolve } from "node:path";
import { type Environment, systemEnvironment } from "../environment.ts";
import { LatchkeyError } from "../errors.ts";
import { SqliteClients } from "./sqlite-clients.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";
import { SqliteKeys } from "./sqlite-keys.ts";
import { IN_MEMORY, identifyFile, openSqliteDatabase, proveWritable } from "./sqlite-open.ts";
import { createRunner } from "./sqlite-retry.ts";
import { SqliteSessions } from "./sqlite-sessions.ts";
import { SqliteUsers } from "./sqlite-users.ts";
import type { Store, StoreCounts } from "./store.ts";

export interface SqliteStoreOptions {
  /** How long an act waits, without blocking, while another process holds the lock on the database. Default: 2. */
  readonly lockTimeoutSeconds?: number;
  /** Default: the machine's. */
  readonly environment?: Environment;
}

const optionNames = ["lockTimeoutSeconds", "environment"] satisfies (keyof SqliteStoreOptions)[];

/**
 * A store in one SQLite file, or in memory with the path `:memory:`. Creates the file, with mode 0600, where there is none;
 * its directory must exist and be writable, since SQLite puts two more files beside it. Several processes on one machine
 * may share the file.
 *
 * Rejects with `store_unusable` where the path cannot be used or what is there is damaged, not Latchkey's, or newer than this
 * version, and with `store_unavailable` where it is locked or the disk is full; `detail` names the cause and what to do.
 */
export async function createSqliteStore(path: string, options: SqliteStoreOptions = {}): Promise<Store> {
  const { lockTimeoutSeconds, random } = readOptions(options);
  const place = readPath(path);
  const run = createRunner({ place, lockTimeoutSeconds, random });
  const database = await openSqliteDatabase(place, run);
  const openedFile = place === IN_MEMORY ? null : identifyFile(place);

  const { sessions, users, clients, keys, counts } = await run(() => prepareActs(database)).catch((error) => {
    database.close();
    throw error;
  });
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

  return {
    description: `sqlite:${place}`,
    statistics,

    createSessions: (batch) => write(() => sessions.create(batch)),
    changeSessions: async (ids, decide) => {
      statistics.sessionWrites += await write(() => sessions.change(ids, decide));
    },
    revokeSessions: (ids, revocation) => write(() => sessions.revoke(ids, revocation)),
    revokeSubjectSessions: (subject, revocation, exceptId) =>
      write(() => sessions.revokeSubject(subject, revocation, exceptId)),
    revokeEverySession: (request) => write(() => sessions.revokeEvery(request)),
    findSession: (id) => read(() => sessions.find(id)),
    listSessions: (subject, now) => read(() => sessions.list(subject, now)),
    listLiveSessions: (now, limit) => read(() => sessions.listLive(now, limit)),
    listRevocations: (afterSequence, since, limit) => read(() => sessions.listRevocations(afterSequence, since, limit)),

    createUser: (user) => write(() => users.create(user)),
    importUsers: (batch) => write(() => users.import(batch)),
    createFirstAdmin: (user, link) => write(() => users.createFirstAdmin(user, link)),
    hasAdmin: () => read(() => users.hasAdmin()),
    findUser: (id) => read(() => users.find(id)),
    findUserByUsername: (canonicalUsername) => read(() => users.findByUsername(canonicalUsername)),
    listUsers: (afterUsername, limit) => read(() => users.list(afterUsername, limit)),
    changePassword: (change) => write(() => users.changePassword(change)),
    replacePasswordHash: (replacement) => write(() => users.replacePasswordHash(replacement)),
    findLastImportedHash: () => read(() => users.findLastImportedHash()),
    disableUser: (id, at) => write(() => users.disable(id, at)),
    enableUser: (id, at) => write(() => users.enable(id, at)),
    setRoles: (id, roles, at) => write(() => users.setRoles(id, roles, at)),

    createClient: (client) => write(() => clients.create(client)),
    findClient: (id) => read(() => clients.find(id)),
    listClients: (afterId, limit) => read(() => clients.list(afterId, limit)),
    disableClient: (id, at) => write(() => clients.disable(id, at)),
    enableClient: (id, grantId, at) => write(() => clients.enable(id, grantId, at)),

    readSigningKeys: () => read(() => keys.read()),
    replaceSigningKeys: (expectedVersion, ring) => write(() => keys.replace(expectedVersion, ring)),

    sweep: (request) => write(() => sessions.sweep(request)),
    count: (now) => read(() => counts.first(now) as StoreCounts),
    check: () =>
      read(() => {
        if (place !== IN_MEMORY && identifyFile(place) !== openedFile) throw replacedError(place);
        proveWritable(database, place);
      }),
    close: () =>
      database.whenFree(() => {
        if (!database.isOpen) return;
        try {
          database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
        } catch {
          // The file is then not whole on its own, but nothing is lost: whoever opens it next reads the log beside it as well.
        }
        database.close();
      }),
  };
}

function prepareActs(database: SqliteDatabase) {
  const sessions = new SqliteSessions(database);
  const users = new SqliteUsers(database, sessions);
  const clients = new SqliteClients(database, sessions);
  const keys = new SqliteKeys(database);
  const counts = database.query<[now: number], StoreCounts>(
    `json_object(
       'users', (SELECT count(*) FROM users),
       'disabledUsers', (SELECT count(*) FROM users WHERE disabled_at IS NOT NULL),
       'admins', (SELECT count(*) FROM users WHERE disabled_at IS NULL
                  AND EXISTS (SELECT 1 FROM json_each(roles) WHERE value = 'admin')),
       'liveSessions', count(*) FILTER (WHERE revoked_at IS NULL AND expires_at > ?),
       'revokedSessions', count(revoked_at))`,
    "FROM sessions",
  );
  return { sessions, users, clients, keys, counts };
}

function readOptions(options: SqliteStoreOptions) {
  for (const name of Object.keys(options)) {
    if (optionNames.some((known) => known === name)) continue;
    throw new TypeError(`createSqliteStore has no option '${name}'; its options are ${optionNames.join(" and ")}.`);
  }
  const { lockTimeoutSeconds = 2, environment = systemEnvironment } = options;
  if (!(lockTimeoutSeconds >= 0 && lockTimeoutSeconds <= 60)) {
    throw new TypeError("createSqliteStore: lockTimeoutSeconds must be a number from 0 to 60.");
  }
  return { lockTimeoutSeconds, random: environment.random };
}

/** An absolute path never looks like the URLs that SQLite and libsql know, whatever its characters. */
function readPath(path: string): string {
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw new TypeError(`createSqliteStore: the path must be the path of a file, or '${IN_MEMORY}'.`);
  }
  if (path.startsWith("sqlite:")) throw new TypeError("createSqliteStore: give the path alone, without 'sqlite:'.");
  return path === IN_MEMORY ? path : resolve(path);
}

function closedError(): LatchkeyError {
  return new LatchkeyError("store_unavailable", { detail: "The store has been closed.", retryAfterSeconds: 1 });
}

function replacedError(place: string): LatchkeyError {
  return new LatchkeyError("store_unusable", {
    detail: `${place} was deleted or replaced while it was open, so what is written now is lost. Stop Latchkey, put the right file in place, and start it again.`,
  });
}
