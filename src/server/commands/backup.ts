import type { Command } from "commander";
import { backUpSqlite } from "../backup.ts";
import { OperatorError } from "../failure.ts";
import { inspectDatabase } from "../inspect-database.ts";
import { openStore } from "../open-store.ts";
import { keepOperatorAct } from "../operator.ts";
import { loadConfig } from "../settings/config.ts";
import type { DatabaseLocation } from "../settings/setting-values.ts";
import type { Terminal } from "../terminal.ts";

/** `latchkey backup` */
export function addBackupCommand(program: Command, terminal: Terminal): void {
  program
    .command("backup")
    .description("copy the SQLite database into a file, while the server runs")
    .argument("<file>", "a file that does not exist yet")
    .action(async (file: string) => {
      const { database } = loadConfig().server;
      if (database.kind === "postgres") {
        throw new OperatorError("Back up a PostgreSQL database with PostgreSQL's own tools: pg_dump --format=custom.");
      }
      const { bytes, path } = await backUpSqlite(database.path, file);
      await leaveTrace(database, path);
      terminal.out(
        `${path}: ${bytes} bytes, written to disk. It does not contain the root secret: keep that elsewhere.\n`,
      );
    });
}

/** A copy of an older database is no reason to bring that up to date: then it has no place for a trace, and there is none. */
async function leaveTrace(database: DatabaseLocation, file: string): Promise<void> {
  try {
    const inspection = await inspectDatabase(database);
    if (inspection?.schemaVersion !== inspection?.newestVersion) return;
    const store = await openStore(database);
    await keepOperatorAct({ type: "database.backed_up", file }, store).finally(() => store.close());
  } catch {
    // The backup is made, and good.
  }
}
