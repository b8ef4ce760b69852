import { Command, CommanderError } from "commander";
import { isSessionId } from "../records/session.ts";
import { looksLikeKid } from "../signing/key-ring.ts";
import { addBackupCommand } from "./commands/backup.ts";
import { addClientCommands } from "./commands/client.ts";
import { addDoctorCommand } from "./commands/doctor.ts";
import { addKeyCommands } from "./commands/key.ts";
import { addMigrateCommand } from "./commands/migrate.ts";
import { addSecretCommand } from "./commands/secret.ts";
import { addSessionCommands } from "./commands/session.ts";
import { addStartCommand } from "./commands/start.ts";
import { addThrottleCommands } from "./commands/throttle.ts";
import { addUserCommands } from "./commands/user.ts";
import { explainFailure } from "./failure.ts";
import { PACKAGE_VERSION } from "./package-version.ts";
import { createLineFilter } from "./process/redaction.ts";
import { wantsStacks } from "./settings/config.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Runs one command and returns the exit code: 0 when it did what was asked, 1 when it did not. `start` resolves once
 * the server is ready, and the process continues.
 */
export async function runCommand(commandLine: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await createProgram(terminal).parseAsync(withIdsLast(commandLine), { from: "user" });
    return 0;
  } catch (error) {
    // Commander has printed what it has to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    const filter = createLineFilter([]);
    terminal.err(filter(`latchkey: ${explainFailure(error)}\n`));
    if (wantsStacks() && error instanceof Error) terminal.err(filter(`${error.stack}\n`));
    return 1;
  }
}

function createProgram(terminal: Terminal): Command {
  const program = new Command("latchkey")
    .description("Short-lived access tokens and rotating refresh tokens that log out thieves, not people.")
    .version(PACKAGE_VERSION)
    .helpCommand(true)
    .showHelpAfterError("(Run with '--help' for usage)")
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err });
  addStartCommand(program, terminal);
  addUserCommands(program, terminal);
  addSessionCommands(program, terminal);
  addClientCommands(program, terminal);
  addThrottleCommands(program, terminal);
  addKeyCommands(program, terminal);
  addSecretCommand(program, terminal);
  addBackupCommand(program, terminal);
  addMigrateCommand(program, terminal);
  addDoctorCommand(program, terminal);
  return program;
}

/** One id in sixty-four, of a session or a signing key, begins with a hyphen, which must not make it an option. */
function withIdsLast(commandLine: readonly string[]): readonly string[] {
  const isId = (argument: string) => argument.startsWith("-") && (isSessionId(argument) || looksLikeKid(argument));
  const ids = commandLine.filter(isId);
  return ids.length === 0 ? commandLine : [...commandLine.filter((argument) => !isId(argument)), "--", ...ids];
}
