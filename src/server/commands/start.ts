import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import { createLogger, writeToStandardOutput } from "../logger.ts";
import { announce, startServer } from "../main.ts";
import { settings } from "../settings.ts";
import { exitOnUncaught, stopOnSignals } from "../stop-signals.ts";
import type { Terminal } from "../terminal.ts";

/** `latchkey start` */
export function addStartCommand(program: Command, terminal: Terminal): void {
  program
    .command("start")
    .description("start the server")
    .addHelpText("after", `\n${settingsHelp()}`)
    .action(async () => {
      const config = loadConfig();
      const { secret, previousSecret } = config.issuer;
      const logger = createLogger({
        level: config.server.logLevel,
        form: terminal.outIsTerminal ? "readable" : "json",
        colour: terminal.outHasColours,
        secrets: [secret, previousSecret].filter((text) => text !== undefined),
        write: writeToStandardOutput(),
      });
      exitOnUncaught(logger);
      const running = await startServer(config, logger);
      stopOnSignals(running, logger);
      announce(running, logger, terminal.outIsTerminal ? terminal.out : undefined);
    });
}

function settingsHelp(): string {
  const lines = Object.entries(settings).map(([name, { help }]) => `  ${name.padEnd(38)} ${help}`);
  return `Settings come from the environment, defaults in parentheses:\n${lines.join("\n")}\n`;
}
