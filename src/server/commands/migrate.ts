import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import { inspectDatabase, NEWEST_SCHEMA_VERSION } from "../inspect-database.ts";
import { openStore } from "../open-store.ts";
import type { Terminal } from "../terminal.ts";

/** `latchkey migrate` */
export function addMigrateCommand(program: Command, terminal: Terminal): void {
  program
    .command("migrate")
    .description("bring the database up to date, as the server does when it starts")
    .action(async () => {
      const { database } = loadConfig().server;
      const before = (await inspectDatabase(database))?.schemaVersion;
      const store = await openStore(database);
      await store.close();
      terminal.out(`${store.description}: ${outcome(before)}\n`);
    });
}

function outcome(before: number | undefined): string {
  if (before === undefined) return `created, at schema version ${NEWEST_SCHEMA_VERSION}`;
  return before === NEWEST_SCHEMA_VERSION
    ? `nothing to do, already at schema version ${before}`
    : `migrated from schema version ${before} to ${NEWEST_SCHEMA_VERSION}`;
}
