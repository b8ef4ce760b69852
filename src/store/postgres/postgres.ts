import { setTimeout } from "node:timers/promises";
import type { Random } from "../../environment.ts";
import { LatchkeyError } from "../../errors.ts";
import { MOST_SESSIONS_LISTED } from "../session-store.ts";
import type { Store } from "../store.ts";
import * as lifetimes from "./access-lifetimes.ts";
import { createPostgresAttempts } from "./attempts.ts";
import * as clients from "./clients.ts";
import { createRevocationListener, type ListeningClient } from "./connection/listener.ts";
import { inspectPostgres, migratePostgres, type PostgresInspection, proveWritable } from "./connection/open.ts";
import { createPool } from "./connection/pool.ts";
import { createPostgresRunner, type PostgresRunner } from "./connection/transaction.ts";
import { readPostgresUrl } from "./connection/url.ts";
import * as keys from "./keys.ts";
import { addOperatorEvents, takeOperatorEvents } from "./operator-events.ts";
import { type PostgresStoreOptions, postgresStoreOptions } from "./options.ts";
import { changePassword } from "./password-change.ts";
import { changeSessions } from "./session-changes.ts";
import { createSessions } from "./session-creation.ts";
import * as sessions from "./sessions.ts";
import { sweep } from "./sweep.ts";
import * as users from "./users.ts";

export type { PostgresStoreOptions } from "./options.ts";

/** Readiness must be reported within five seconds. */
const CHECK_MS = 4000;

/**
 * A store in a PostgreSQL database, 14 or later, in a schema of its own named `latchkey`, which this function creates
 * and migrates. Any number of processes may share it. The package `pg` must be installed.
 *
 * The URL is `postgres://USER:PASSWORD@HOST:5432/DATABASE`; it must lead to the primary, or name several hosts, one of
 * them the primary. Any host other than this machine is reached by TLS with a verified certificate, unless `sslmode`
 * says otherwise. PgBouncer may be in between, in session or transaction mode.
 *
 * Rejects with `store_unavailable` if the database cannot be reached now, and with `store_unusable` if the URL, the
 * user, the server or the database's content must be changed first; `detail` names the cause and what to do, without a
 * password.
 * @throws TypeError if the URL or an option is wrong.
 * @example
 * ```ts
 * import { createPostgresStore } from "latchkey/postgres";
 *
 * const url = "postgres://latchkey@db.example.com/app?sslmode=verify-full";
 * const store = await createPostgresStore(url, { maxConnections: 20 });
 * ```
 */
export async function createPostgresStore(url: string, options: PostgresStoreOptions = {}): Promise<Store> {
  const { runner, random, place, client, close } = await connect(url, options);
  try {
    await migratePostgres(runner, place);
    await proveWritable(runner, place);
  } catch (error) {
    await close();
    throw error;
  }
  const listener = createRevocationListener(async () => client(), random);
  const statistics = { transactions: 0, sessionWrites: 0 };

  async function write<T>(act: Promise<T>): Promise<T> {
    const result = await act;
    statistics.transactions += 1;
    return result;
  }

  return {
    description: place,
    statistics,

    createSessions: (batch) => write(createSessions(runner, batch)),
    async changeSessions(ids, decide) {
      statistics.sessionWrites += await write(changeSessions(runner, ids, decide));
    },
    revokeSessions: (ids, revocation) => write(sessions.revokeSessions(runner, ids, revocation)),
    revokeSubjectSessions: (subject, revocation, exceptId) =>
      write(sessions.revokeSubjectSessions(runner, subject, revocation, exceptId)),
    revokeEverySession: (request) => write(sessions.revokeEverySession(runner, request)),
    findSession: (id) => sessions.findSession(runner, id),
    listSessionAddresses: (subject, now, usedAfter) => sessions.listSessionAddresses(runner, subject, now, usedAfter),
    listSessions: (subject, now, limit = MOST_SESSIONS_LISTED) => sessions.listSessions(runner, subject, now, limit),
    listLiveSessions: (now, limit) => sessions.listLiveSessions(runner, now, limit),
    listRevocations: (afterSequence, since, limit) => sessions.listRevocations(runner, afterSequence, since, limit),

    createUser: (user) => write(users.createUser(runner, user)),
    importUsers: (batch) => write(users.importUsers(runner, batch)),
    createFirstAdmin: (user, link) => write(users.createFirstAdmin(runner, user, link)),
    hasAdmin: () => users.hasAdmin(runner),
    findUser: (id) => users.findUser(runner, id),
    findUserByUsername: (canonicalUsername) => users.findUserByUsername(runner, canonicalUsername),
    listUsers: (afterUsername, limit) => users.listUsers(runner, afterUsername, limit),
    changePassword: (change) => write(changePassword(runner, change)),
    replacePasswordHash: (replacement) => write(users.replacePasswordHash(runner, replacement)),
    findLastImportedHash: () => users.findLastImportedHash(runner),
    disableUser: (id, at) => write(users.disableUser(runner, id, at)),
    enableUser: (id, at) => write(users.enableUser(runner, id, at)),
    setRoles: (id, roles, at) => write(users.setRoles(runner, id, roles, at)),

    createClient: (client) => write(clients.createClient(runner, client)),
    findClient: (id) => clients.findClient(runner, id),
    listClients: (afterId, limit) => clients.listClients(runner, afterId, limit),
    disableClient: (id, at) => write(clients.disableClient(runner, id, at)),
    enableClient: (id, grantId, at) => write(clients.enableClient(runner, id, grantId, at)),

    listAccessLifetimes: () => lifetimes.listAccessLifetimes(runner),
    keepAccessLifetime: (lifetime, outlivedBy) => write(lifetimes.keepAccessLifetime(runner, lifetime, outlivedBy)),

    readSigningKeys: () => keys.readSigningKeys(runner),
    replaceSigningKeys: (expectedVersion, ring) => write(keys.replaceSigningKeys(runner, expectedVersion, ring)),

    notifiesRevocations: true,
    onRevocation: (told) => listener.subscribe(told),
    ...createPostgresAttempts(runner),

    addOperatorEvents: (events) => write(addOperatorEvents(runner, events)),
    takeOperatorEvents: (limit) => takeOperatorEvents(runner, limit),

    sweep: (request) => write(sweep(runner, request)),
    async count(now) {
      const { rows } = await runner.run(({ last }) => last(COUNTS, now));
      return rows[0];
    },
    check: () => withinTime(proveWritable(runner, place), place),
    onDegraded: () => () => {},
    hasOwnClock: true,
    async readClock() {
      const { rows } = await runner.run(({ last }) => last(CLOCK));
      return rows[0].now;
    },
    async close() {
      await listener.close();
      await close();
    },
  };
}

/**
 * Inspects a PostgreSQL database without changing it.
 * @throws LatchkeyError `store_unavailable` or `store_unusable`; TypeError if the URL is wrong.
 */
export async function inspectPostgresDatabase(url: string): Promise<PostgresInspection & { readonly place: string }> {
  const { runner, place, close } = await connect(url, { maxConnections: 1 });
  try {
    return { ...(await inspectPostgres(runner, place)), place };
  } finally {
    await close();
  }
}

const CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now";

const COUNTS = `
  SELECT u.*, s.* FROM
    (SELECT count(*) AS users, count(disabled_at) AS "disabledUsers",
            count(*) FILTER (WHERE is_admin AND disabled_at IS NULL) AS admins FROM latchkey.users) u,
    (SELECT count(*) FILTER (WHERE revoked_at IS NULL AND expires_at > $1) AS "liveSessions",
            count(revoked_at) AS "revokedSessions" FROM latchkey.sessions) s`;

interface Connected {
  readonly runner: PostgresRunner;
  readonly random: Random;
  readonly place: string;
  client(): ListeningClient;
  close(): Promise<void>;
}

async function connect(url: string, options: PostgresStoreOptions): Promise<Connected> {
  const { environment, ...limits } = postgresStoreOptions.resolve(options);
  const reading = readPostgresUrl(url);
  if ("problem" in reading) throw new TypeError(`createPostgresStore: the URL ${reading.problem}.`);
  const { target } = reading;
  const place = target.description;
  const pool = await createPool(target, limits);
  const { statementTimeoutSeconds } = limits;
  const runner = createPostgresRunner({ pool, place, statementTimeoutSeconds, random: environment.random });
  return { runner, random: environment.random, place, client: () => pool.client(), close: () => pool.close() };
}

async function withinTime(act: Promise<void>, place: string): Promise<void> {
  const timer = new AbortController();
  const tooLate = setTimeout(CHECK_MS, undefined, { signal: timer.signal, ref: false }).then(() => {
    throw new LatchkeyError("store_unavailable", {
      detail: `${place} did not answer within ${CHECK_MS / 1000} seconds.`,
      retryAfterSeconds: 1,
    });
  });
  act.catch(() => {});
  try {
    await Promise.race([act, tooLate]);
  } finally {
    timer.abort();
    tooLate.catch(() => {});
  }
}
