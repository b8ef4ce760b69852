import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { OperatorError } from "./failure.ts";
import { inspectDatabase } from "./inspect-database.ts";
import { type OpenedIssuer, openIssuer } from "./open-issuer.ts";
import { createOperatorTrace, operatorName } from "./operator.ts";
import { type Config, loadConfig } from "./settings/config.ts";

/**
 * Runs a command's work on the issuer that the environment describes, and always closes it in the end. What it does is
 * kept with the operating-system user who ran it, until a server takes it into its log.
 * @param mayCreate whether a database that is not there is made, rather than taken for a mistake in the path.
 */
export async function withIssuer<Result>(
  work: (opened: OpenedIssuer) => Promise<Result>,
  { mayCreate = false } = {},
): Promise<Result> {
  const config = loadConfig();
  if (!mayCreate) await requireDatabase(config);
  const trace = createOperatorTrace(operatorName());
  const opened = await openIssuer(config, { onEvent: trace.onEvent });
  try {
    return await work(opened);
  } finally {
    // What was done before a failure is done, and leaves its trace.
    await trace.keep(opened.store).catch(() => {});
    await opened.issuer.close();
  }
}

async function requireDatabase({ server: { database } }: Config): Promise<void> {
  if (database.kind === "postgres") {
    if ((await inspectDatabase(database)) !== undefined) return;
    throw new OperatorError(
      "The PostgreSQL database has no Latchkey tables yet. Set LATCHKEY_DATABASE_URL to the same value as where the server runs, or create the tables with 'latchkey migrate'.",
    );
  }
  const path = resolve(database.path);
  if (existsSync(path)) return;
  throw new OperatorError(
    `No database exists at ${path}. Run this where the server runs, or set LATCHKEY_DATABASE_URL to the same value as there.`,
  );
}
