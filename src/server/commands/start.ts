import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import { createLogger, writeToStandardOutput } from "../logger.ts";
import { announce, type ServerFacts, startServer } from "../main.ts";
import { databaseSecrets } from "../setting-values.ts";
import { settings } from "../settings.ts";
import { exitOnUncaught, stopOnSignals, stopWorkersOnSignals } from "../stop-signals.ts";
import type { Terminal } from "../terminal.ts";
import { reportReady, workerIdentity } from "../worker.ts";
import { startWorkers } from "../workers.ts";

/** `latchkey start` */
export function addStartCommand(program: Command, terminal: Terminal): void {
  program
    .command("start")
    .description("start the server")
    .addHelpText("after", `\n${settingsHelp()}`)
    .action(async () => {
      const config = loadConfig();
      const { secret, previousSecret } = config.issuer;
      const worker = workerIdentity();
      const logger = createLogger({
        level: config.server.logLevel,
        form: terminal.outIsTerminal ? "readable" : "json",
        colour: terminal.outHasColours,
        secrets: [secret, previousSecret, ...databaseSecrets(config.server.database)].filter(
          (text) => text !== undefined,
        ),
        write: writeToStandardOutput(),
        ...(worker && { origin: worker }),
      });
      exitOnUncaught(logger);
      const tell = (facts: ServerFacts) =>
        announce(facts, logger, terminal.outIsTerminal ? terminal.out : undefined, config.server.workers);
      if (config.server.workers > 1 && worker === undefined) {
        const workers = startWorkers({ count: config.server.workers, logger });
        stopWorkersOnSignals(workers, logger);
        void workers.gaveUp.then((exitCode) => process.exit(exitCode));
        tell(await workers.serving);
        return;
      }
      const running = await startServer(config, logger);
      const stop = stopOnSignals(running, logger);
      if (worker === undefined) tell(running);
      else reportReady(running, stop);
    });
}

function settingsHelp(): string {
  const lines = Object.entries(settings).map(([name, { help }]) => `  ${name.padEnd(38)} ${help}`);
  return `Settings come from the environment, defaults in parentheses:\n${lines.join("\n")}\n`;
}
