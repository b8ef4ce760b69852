import type { Command } from "commander";
import { backUpSqlite } from "../backup.ts";
import { OperatorError } from "../failure.ts";
import { loadConfig } from "../settings/config.ts";
import type { Terminal } from "../terminal.ts";

/** `latchkey backup` */
export function addBackupCommand(program: Command, terminal: Terminal): void {
  program
    .command("backup")
    .description("copy the SQLite database into a file, while the server runs")
    .argument("<file>", "a file that is not there yet")
    .action(async (file: string) => {
      const { database } = loadConfig().server;
      if (database.kind === "postgres") {
        throw new OperatorError(
          "A PostgreSQL database is backed up with PostgreSQL's own tools: pg_dump --format=custom.",
        );
      }
      const { bytes, path } = await backUpSqlite(database.path, file);
      terminal.out(`${path}: ${bytes} bytes, durable. The root secret is not in it; keep that elsewhere.\n`);
    });
}
