import Database from "libsql";

const CHUNK = 50_000;
/** Sign-ins lie spread over so many milliseconds before the first session's: ten days. */
const SIGN_INS_MS = 864_000_000;
const A_UUID =
  "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(6)))";

/**
 * What was filled: some of the sessions, in random order and spread over the whole table, and the bytes on disk, indexes included.
 * @typedef {{ readonly sample: readonly { readonly id: Buffer, readonly salt: Buffer }[], readonly bytes: FilledBytes }} Filled
 * @typedef {{ readonly sessions: number, readonly users: number }} FilledBytes
 */

/**
 * Copies the one session and the one user of a database until there are so many of each.
 * @param {string} path
 * @param {number} count
 * @param {number} sampleSize
 * @returns {Promise<Filled>}
 */
export async function fillSqlite(path, count, sampleSize) {
  const database = new Database(path);
  try {
    // Nothing is lost if this crashes: the file is thrown away then.
    database.exec("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000");
    const shift = `CAST(n * ${SIGN_INS_MS / count} AS INTEGER)`;
    const sessionValues = columnsOf(database, "sessions", {
      id: "randomblob(16)",
      subject: A_UUID,
      salt: "randomblob(16)",
      created_at: `created_at - ${shift}`,
      auth_time: `auth_time - ${shift}`,
      expires_at: `expires_at - ${shift}`,
    });
    const userValues = columnsOf(database, "users", {
      id: "s.subject",
      roles: "'[]'",
      username: "'user-' || (s.rowid - 1)",
      canonical_username: "'user-' || (s.rowid - 1)",
    });
    const before = bytesOf(database);
    inChunks(database, count, (from, to) => {
      database
        .prepare(
          `INSERT INTO sessions (${sessionValues.names})
           WITH RECURSIVE numbers (n) AS (SELECT ? UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
           SELECT ${sessionValues.values} FROM numbers, sessions WHERE sessions.rowid = 1`,
        )
        .run(from, to);
    });
    const between = bytesOf(database);
    inChunks(database, count, (from, to) => {
      database
        .prepare(
          `INSERT INTO users (${userValues.names}) SELECT ${userValues.values}
           FROM sessions s, users WHERE users.rowid = 1 AND s.rowid BETWEEN ? AND ?`,
        )
        .run(from + 1, to + 1);
    });
    const bytes = { sessions: between - before, users: bytesOf(database) - between };
    const step = Math.floor(count / sampleSize);
    const found = /** @type {{ id: string, salt: string }[]} */ (
      database
        .prepare(
          `SELECT hex(id) AS id, hex(salt) AS salt FROM sessions WHERE (rowid - 1) % ${step} = 0 AND rowid <= ${step * sampleSize} ORDER BY id`,
        )
        .all()
    );
    const sample = found.map(({ id, salt }) => ({ id: Buffer.from(id, "hex"), salt: Buffer.from(salt, "hex") }));
    return { sample, bytes };
  } finally {
    database.close();
  }
}

/**
 * The columns of a table, and for each what a copy holds: the same as the first row, unless said otherwise.
 * @param {Database.Database} database
 * @param {string} table
 * @param {Readonly<Record<string, string>>} own
 */
function columnsOf(database, table, own) {
  const found = database.prepare(`SELECT name FROM pragma_table_info('${table}')`).all();
  const columns = /** @type {{ name: string }[]} */ (found);
  const values = columns.map(({ name }) => own[name] ?? `${table}.${name}`);
  return { names: columns.map(({ name }) => name).join(", "), values: values.join(", ") };
}

/**
 * @param {Database.Database} database
 * @param {number} count
 * @param {(from: number, to: number) => void} insert
 */
function inChunks(database, count, insert) {
  for (let from = 1; from < count; from += CHUNK) {
    database.transaction(insert)(from, Math.min(count, from + CHUNK) - 1);
  }
  database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
}

/** @param {Database.Database} database */
function bytesOf(database) {
  const found = database
    .prepare("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")
    .get();
  return /** @type {{ bytes: number }} */ (found).bytes;
}
