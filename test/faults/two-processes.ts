import { afterEach } from "vitest";
import { systemEnvironment } from "../../src/environment.ts";
import { createIssuer, type Issuer } from "../../src/index.ts";
import { createPostgresStore } from "../../src/store/postgres/postgres.ts";
import type { Store } from "../../src/store/store.ts";
import type { TestClock } from "../support/test-bed.ts";
import { ISSUER, newDatabase, start, withPostgres } from "../support/two-servers.ts";
import { openWire, type Wire } from "./wire.ts";

/** Two server processes and an engine in this one, on one PostgreSQL database. */
export interface TwoProcesses {
  readonly wires: readonly [Wire, Wire];
  /** What need not go over HTTP goes here: it is the same code on the same rows, and opens sessions without a password. */
  readonly issuer: Issuer;
  readonly store: Store;
  sql(text: string): ReturnType<Awaited<ReturnType<typeof newDatabase>>["sql"]>;
}

export interface TwoProcessesOptions {
  readonly settings?: Readonly<Record<string, string>>;
  /** What all three go by. Default: the machine's. */
  readonly clock?: TestClock & { readonly settings: Readonly<Record<string, string>> };
}

/** Nothing but errors is logged, and nobody is slowed down: there are many requests. */
const SETTINGS = {
  LATCHKEY_SIGNING_ALG: "HS256",
  LATCHKEY_LOG_LEVEL: "error",
  LATCHKEY_SESSION_REFRESHES_PER_MINUTE: "0",
  LATCHKEY_SESSIONS_PER_USER: "0",
  LATCHKEY_TRUSTED_PROXIES: "127.0.0.1",
};

const cleanUps: (() => unknown)[] = [];

/** Gives each test of the file what {@link openTwoProcesses} needs. To be called once, at its top. */
export function withTwoProcesses(): void {
  withPostgres();
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0)) await cleanUp();
  });
}

/** Opens them on a new database; they end with the test. */
export async function openTwoProcesses({ settings = {}, clock }: TwoProcessesOptions = {}): Promise<TwoProcesses> {
  const place = await newDatabase({ ...SETTINGS, ...settings, ...clock?.settings });
  const store = await createPostgresStore(place.settings.LATCHKEY_DATABASE_URL);
  const issuer = await createIssuer({
    issuer: ISSUER,
    secret: place.settings.LATCHKEY_SECRET,
    store,
    signingAlg: "HS256",
    sessionRefreshesPerMinute: 0,
    sessionsPerUser: 0,
    environment: { ...systemEnvironment, ...(clock && { clock }) },
  });
  cleanUps.push(() => issuer.close());
  const servers = await Promise.all([start(place.settings), start(place.settings)]);
  const wires = [openWire(servers[0].url), openWire(servers[1].url)] as const;
  cleanUps.push(() => wires.map((wire) => wire.close()));
  return { wires, issuer, store, sql: place.sql };
}

/** Creates people who have no password, and gives their subjects. */
export async function createSubjects({ issuer }: TwoProcesses, count: number): Promise<readonly string[]> {
  const people = Array.from({ length: count }, (_, nth) => ({
    id: `person-${nth}`,
    username: `person-${nth}`,
    passwordHash: null,
  }));
  await issuer.users.import(people);
  return people.map(({ id }) => id);
}
