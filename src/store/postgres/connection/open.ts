import type { LatchkeyError } from "../../../errors.ts";
import { unusable } from "../errors.ts";
import { CREATION_LOCK, migrations, NEWEST_POSTGRES_SCHEMA_VERSION } from "../schema.ts";
import type { PostgresRunner, Transaction } from "./transaction.ts";

const OLDEST_SERVER = 14;

/** What there is to know of a database without changing it. */
export interface PostgresInspection {
  /** Such as `18.1`. */
  readonly serverVersion: string;
  /** 0 where there are no tables of Latchkey's. */
  readonly schemaVersion: number;
}

interface Version {
  readonly version: number;
  readonly worksFrom: number;
}

/**
 * Looks at a database without changing it.
 * @throws LatchkeyError `store_unavailable` or `store_unusable`, saying why it cannot be used.
 */
export async function inspectPostgres(runner: PostgresRunner, place: string): Promise<PostgresInspection> {
  return runner.run(async (transaction) => {
    const serverVersion = await checkServer(transaction, place);
    return { serverVersion, schemaVersion: (await recogniseVersion(transaction, place)).version };
  });
}

/**
 * Brings the schema to the newest version. Any number of processes may do so at once: one migrates and the others wait. Where
 * nothing is to be done, no right to create anything is needed.
 */
export async function migratePostgres(runner: PostgresRunner, place: string): Promise<void> {
  const { schemaVersion } = await inspectPostgres(runner, place);
  if (schemaVersion >= NEWEST_POSTGRES_SCHEMA_VERSION) return;
  await runner.run(async (transaction) => {
    await transaction.query(
      schemaVersion === 0 ? `SELECT ${CREATION_LOCK}` : "SELECT FROM latchkey.schema_version FOR UPDATE",
    );
    const { version } = await recogniseVersion(transaction, place);
    const missing = migrations.slice(version);
    if (version === 0) await createSchema(transaction);
    for (const { sql } of missing) await transaction.query(sql);
    if (missing.length === 0) return;
    await transaction.last(
      "UPDATE latchkey.schema_version SET version = $1, works_from = $2",
      NEWEST_POSTGRES_SCHEMA_VERSION,
      missing.at(-1)!.worksFrom,
    );
  });
}

/** Commits a write that changes nothing. Fails where a newer Latchkey has made a schema that this one cannot work with. */
export async function proveWritable(runner: PostgresRunner, place: string): Promise<void> {
  const { rows } = await runner.run(({ last }) =>
    last("UPDATE latchkey.schema_version SET version = version RETURNING version, works_from"),
  );
  const row = rows[0];
  if (row === undefined) throw notOurs(place);
  refuseNewer({ version: row.version, worksFrom: row.works_from }, place);
}

/** Says what is wrong with the version of a server, if anything is. @param number as in `server_version_num`. */
export function serverProblem(number: number, place: string): string | undefined {
  const major = Math.floor(number / 10_000);
  return major >= OLDEST_SERVER
    ? undefined
    : `${place} runs PostgreSQL ${major}. Latchkey needs PostgreSQL ${OLDEST_SERVER} or later: upgrade the server.`;
}

async function checkServer({ query }: Transaction, place: string): Promise<string> {
  const { rows } = await query(
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
            current_setting('server_encoding') AS encoding`,
  );
  const { number, version, encoding } = rows[0];
  const problem = serverProblem(number, place);
  if (problem !== undefined) throw unusable(problem);
  if (encoding !== "UTF8") {
    throw unusable(
      `The database of ${place} is encoded in ${encoding}, which cannot store every text. Create it with ENCODING 'UTF8'.`,
    );
  }
  return version.split(" ")[0];
}

/** Refuses what Latchkey did not make, and what a newer one made so that this one cannot work with it. */
async function recogniseVersion({ query }: Transaction, place: string): Promise<Version> {
  const { rows } = await query(
    `SELECT to_regclass('latchkey.schema_version') IS NOT NULL AS "hasVersion",
            EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('latchkey')) AS "hasTables"`,
  );
  if (!rows[0].hasVersion) {
    if (rows[0].hasTables) throw notOurs(place);
    return { version: 0, worksFrom: 0 };
  }
  const { rows: versions } = await query("SELECT version, works_from FROM latchkey.schema_version");
  if (versions.length !== 1) throw notOurs(place);
  const found = { version: versions[0].version, worksFrom: versions[0].works_from };
  refuseNewer(found, place);
  return found;
}

function refuseNewer({ version, worksFrom }: Version, place: string): void {
  if (worksFrom <= NEWEST_POSTGRES_SCHEMA_VERSION) return;
  throw unusable(
    `${place} is at schema version ${version}, which requires a Latchkey that knows schema version ${worksFrom}; this one knows versions up to ${NEWEST_POSTGRES_SCHEMA_VERSION}. Upgrade Latchkey, or restore the backup from before the upgrade.`,
  );
}

async function createSchema({ query }: Transaction): Promise<void> {
  const { rows } = await query("SELECT to_regnamespace('latchkey') IS NULL AS missing");
  // IF NOT EXISTS asks for the right to create before it looks.
  if (rows[0].missing) await query("CREATE SCHEMA latchkey");
}

function notOurs(place: string): LatchkeyError {
  return unusable(
    `The schema latchkey of ${place} contains objects that Latchkey did not create. It was not changed. Use a separate database for Latchkey.`,
  );
}
