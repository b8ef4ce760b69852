import type { Command } from "commander";
import { type DatabaseInspection, inspectDatabase } from "../inspect-database.ts";
import { openStore } from "../open-store.ts";
import { loadConfig } from "../settings/config.ts";
import type { Terminal } from "../terminal.ts";

/** `latchkey migrate` */
export function addMigrateCommand(program: Command, terminal: Terminal): void {
  program
    .command("migrate")
    .description("bring the database up to date, as the server does when it starts")
    .action(async () => {
      const { database } = loadConfig().server;
      const before = await inspectDatabase(database);
      const store = await openStore(database);
      await store.close();
      const after = await inspectDatabase(database);
      terminal.out(`${store.description}: ${outcome(before, after?.schemaVersion)}\n`);
    });
}

function outcome(before: DatabaseInspection | undefined, after: number | undefined): string {
  if (before === undefined) return `created, at schema version ${after}`;
  return before.schemaVersion === after
    ? `nothing to do, already at schema version ${after}`
    : `migrated from schema version ${before.schemaVersion} to ${after}`;
}
