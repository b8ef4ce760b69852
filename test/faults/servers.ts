import type { TestContext } from "vitest";
import { type ServerProcess, startServer } from "../support/server-process.ts";

/** What every server of a fault test is told: clients come fast, all as one person, and thieves cannot wait for long. */
export const GRACE_SECONDS = 1;
export const loadSettings = {
  LATCHKEY_SECRET: "Yq3mB8xW1nR6tKz0uHc5jLp2dVs9eGa7iTfQoXy4CMw",
  LATCHKEY_ISSUER: "http://127.0.0.1:4000",
  LATCHKEY_ROTATION_GRACE_SECONDS: String(GRACE_SECONDS),
  LATCHKEY_SESSION_REFRESHES_PER_MINUTE: "0",
  LATCHKEY_SESSIONS_PER_USER: "0",
  LATCHKEY_LOGINS_PER_HOUR: "0",
  LATCHKEY_TRUSTED_PROXIES: "127.0.0.1",
} as const;

/** Server processes that die and come back. */
export interface Servers {
  /** Of those that are up. */
  urls(): readonly string[];
  at(index: number): ServerProcess;
  kill(index: number): Promise<void>;
  /** Starts one that has been killed, on another port. */
  start(index: number): Promise<void>;
  /** Everything that any of them has written. */
  output(): string;
}

/** Starts one server for each of these settings. They end with the test. */
export async function startServers(
  test: TestContext,
  settings: readonly Readonly<Record<string, string>>[],
): Promise<Servers> {
  const running: (ServerProcess | undefined)[] = [];
  const started: ServerProcess[] = [];
  test.onTestFinished(async () => {
    await Promise.all(started.map((server) => server.kill()));
  });

  async function start(index: number): Promise<void> {
    const server = await startServer(settings[index]!);
    started.push(server);
    running[index] = server;
  }
  await Promise.all(settings.map((_, index) => start(index)));

  return {
    start,
    urls: () => running.flatMap((server) => server?.url ?? []),
    at(index) {
      const server = running[index];
      if (server === undefined) throw new Error(`Server ${index} does not run.`);
      return server;
    },
    async kill(index) {
      const server = running[index];
      running[index] = undefined;
      await server?.kill();
    },
    output: () => started.map((server) => server.output()).join(""),
  };
}
