import { startPostgresServer } from "../../test/support/postgres-server.mjs";

/**
 * The one PostgreSQL of a run. It starts when the first database is asked for, with its own defaults: a commit is on disk before
 * it is answered (`fsync` and `synchronous_commit` are on).
 * @typedef {{ createDatabase(): Promise<string>, pid(): number | undefined, sql(url: string, sql: string): Promise<any[]>,
 *   remove(): Promise<void> }} BenchPostgres `createDatabase` gives the URL of a new database, and rejects where PostgreSQL cannot run
 */

/** @returns {BenchPostgres} */
export function createBenchPostgres() {
  /** @type {ReturnType<typeof startPostgresServer> | undefined} */
  let starting;
  /** @type {number | undefined} */
  let pid;

  async function server() {
    starting ??= startPostgresServer();
    const started = await starting;
    pid = started.pid();
    return started;
  }

  return {
    async createDatabase() {
      const started = await server();
      return started.url(await started.createDatabase());
    },
    pid: () => pid,
    sql: async (url, sql) => (await server()).sql(sql, new URL(url).pathname.slice(1)),
    async remove() {
      await (await starting?.catch(() => undefined))?.remove();
    },
  };
}
