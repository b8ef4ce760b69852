import Database from "libsql";

/**
 * How many rows a database of Latchkey's has, read beside the server.
 * @param {string} database a path or a PostgreSQL URL
 * @param {import("./postgres.mjs").BenchPostgres} postgres
 * @returns {Promise<{ readonly sessions: number, readonly revocations: number }>}
 */
export async function countRows(database, postgres) {
  if (database.startsWith("postgres:")) {
    const [counts] = await postgres.sql(
      database,
      `SELECT (SELECT count(*)::int FROM latchkey.sessions) AS sessions,
              (SELECT count(*)::int FROM latchkey.revocations) AS revocations`,
    );
    return counts;
  }
  const connection = new Database(database, { readonly: true });
  try {
    const counts = connection
      .prepare("SELECT (SELECT count(*) FROM sessions) AS sessions, (SELECT count(*) FROM revocations) AS revocations")
      .get();
    // libsql puts a field of its own into every row.
    const { sessions, revocations } = /** @type {{ sessions: number, revocations: number }} */ (counts);
    return { sessions, revocations };
  } finally {
    connection.close();
  }
}
