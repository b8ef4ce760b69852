import pg from "pg";

/** Sign-ins lie spread over so many milliseconds before the first session's: ten days. */
const SIGN_INS_MS = 864_000_000;
const BYTES_16 = "uuid_send(gen_random_uuid())";

/**
 * Copies the one session and the one user of a database until there are so many of each.
 * @param {string} url
 * @param {number} count
 * @param {number} sampleSize
 * @returns {Promise<import("./fill-sqlite.mjs").Filled>}
 */
export async function fillPostgres(url, count, sampleSize) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const shift = `(n * ${SIGN_INS_MS / count})::bigint`;
    const sessionValues = await columnsOf(client, "sessions", {
      id: BYTES_16,
      subject: "gen_random_uuid()::text",
      salt: BYTES_16,
      created_at: `created_at - ${shift}`,
      auth_time: `auth_time - ${shift}`,
      expires_at: `expires_at - ${shift}`,
    });
    const userValues = await columnsOf(client, "users", {
      id: "s.subject",
      roles: "'[]'",
      is_admin: "false",
      username: "'user-' || (s.position - 1)",
      canonical_username: "'user-' || (s.position - 1)",
    });
    await client.query("SET synchronous_commit = off; SET maintenance_work_mem = '256MB'");
    await client.query(
      `INSERT INTO latchkey.sessions (${sessionValues.names})
       SELECT ${sessionValues.values} FROM latchkey.sessions, generate_series(1, $1::int - 1) n WHERE sessions.position = 1`,
      [count],
    );
    await client.query(
      `INSERT INTO latchkey.users (${userValues.names})
       SELECT ${userValues.values} FROM latchkey.sessions s, latchkey.users WHERE s.position > 1`,
    );
    await client.query("VACUUM ANALYZE latchkey.sessions, latchkey.users");
    await client.query("CHECKPOINT");
    const { rows } = await client.query(
      `SELECT pg_total_relation_size('latchkey.sessions')::float8 AS sessions,
              pg_total_relation_size('latchkey.users')::float8 AS users`,
    );
    const step = Math.floor(count / sampleSize);
    const { rows: sample } = await client.query(
      `SELECT id, salt FROM latchkey.sessions WHERE (position - 1) % $1 = 0 AND position <= $2 ORDER BY id`,
      [step, step * sampleSize],
    );
    return { sample, bytes: rows[0] };
  } finally {
    await client.end();
  }
}

/**
 * The columns of a table, and for each what a copy holds: the same as the first row, unless said otherwise.
 * @param {pg.Client} client
 * @param {string} table
 * @param {Readonly<Record<string, string>>} own
 */
async function columnsOf(client, table, own) {
  const { rows } = await client.query(
    `SELECT column_name AS name FROM information_schema.columns
     WHERE table_schema = 'latchkey' AND table_name = $1 AND is_identity = 'NO' ORDER BY ordinal_position`,
    [table],
  );
  return {
    names: rows.map(({ name }) => name).join(", "),
    values: rows.map(({ name }) => own[name] ?? `${table}.${name}`).join(", "),
  };
}
