import type { Command } from "commander";
import { createLogger, type Logger, writeToStandardOutput } from "../process/logger.ts";
import { endOnSignals, exitOnUncaught, stopOnSignals, stopWorkersOnSignals } from "../process/stop-signals.ts";
import { leavePrimary, reportReady, type WorkerIdentity, workerIdentity } from "../process/worker.ts";
import { startWorkers } from "../process/workers.ts";
import { announce, type ServerFacts, startServer } from "../run.ts";
import { type Config, loadConfig } from "../settings/config.ts";
import { databaseSecrets } from "../settings/setting-values.ts";
import { settings } from "../settings/settings.ts";
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
      const worker = workerIdentity();
      const logger = createLogger({
        level: config.server.logLevel,
        form: terminal.outIsTerminal ? "readable" : "json",
        colour: terminal.outHasColours,
        secrets: [secret, previousSecret, ...databaseSecrets(config.server.database)].filter(
          (text) => text !== undefined,
        ),
        write: writeToStandardOutput(),
        ...(worker && { origin: { worker: worker.number, pid: worker.pid } }),
      });
      exitOnUncaught(logger);
      const tell = (facts: ServerFacts) =>
        announce(facts, logger, terminal.outIsTerminal ? terminal.out : undefined, config.server.workers);
      if (worker !== undefined) await serveAsWorker(config, logger, worker);
      else if (config.server.workers > 1) tell(await serveWithWorkers(config, logger));
      else {
        const ready = endOnSignals();
        const running = await startServer(config, logger);
        stopOnSignals(running, logger);
        ready();
        tell(running);
      }
    });
}

async function serveWithWorkers({ server }: Config, logger: Logger): Promise<ServerFacts> {
  const workers = startWorkers({ count: server.workers, logger });
  stopWorkersOnSignals(workers, logger);
  void workers.gaveUp.then((exitCode) => process.exit(exitCode));
  return workers.serving;
}

async function serveAsWorker(config: Config, logger: Logger, { isFirst }: WorkerIdentity): Promise<void> {
  try {
    const running = await startServer(config, logger, { listensFirst: isFirst });
    reportReady(running, stopOnSignals(running, logger));
  } catch (error) {
    leavePrimary();
    throw error;
  }
}

function settingsHelp(): string {
  const lines = Object.entries(settings).map(([name, { help }]) => `  ${name.padEnd(38)} ${help}`);
  return `Settings come from the environment, defaults in parentheses:\n${lines.join("\n")}\n`;
}
