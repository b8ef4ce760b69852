import type { Command } from "commander";
import { type DatabaseInspection, inspectDatabase } from "../inspect-database.ts";
import { openStore } from "../open-store.ts";
import { keepOperatorAct } from "../operator.ts";
import { loadConfig } from "../settings/config.ts";
import type { Terminal } from "../terminal.ts";

/** `latchkey migrate` */
export function addMigrateCommand(program: Command, terminal: Terminal): void {
  program
    .command("migrate")
    .description("update the database's schema, as the server does at its start")
    .action(async () => {
      const { database } = loadConfig().server;
      const before = await inspectDatabase(database);
      const store = await openStore(database);
      try {
        const after = await inspectDatabase(database);
        const [from, to] = [before?.schemaVersion ?? 0, after?.schemaVersion ?? 0];
        if (from !== to) await keepOperatorAct({ type: "database.migrated", from, to }, store);
        terminal.out(`${store.description}: ${outcome(before, to)}\n`);
      } finally {
        await store.close();
      }
    });
}

function outcome(before: DatabaseInspection | undefined, after: number): string {
  if (before === undefined) return `created, at schema version ${after}`;
  return before.schemaVersion === after
    ? `nothing to do, already at schema version ${after}`
    : `migrated from schema version ${before.schemaVersion} to ${after}`;
}
