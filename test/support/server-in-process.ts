import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "../../src/server/process/logger.ts";
import { type RunningServer, startServer } from "../../src/server/run.ts";
import { readConfig, type Variables } from "../../src/server/settings/config.ts";
import { afterEveryTest } from "./after-each.ts";

export const PASSWORD = "correct horse battery staple";

/** A server of this process, started from settings as the real one is, on a free port and a database of its own. */
export interface InProcessServer extends RunningServer {
  readonly url: string;
  readonly folder: string;
  /** All log lines so far. */
  readonly log: string[];
  post(path: string, json: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Registers a user, where registration is open, and gives the answer to their login. */
  signIn(username?: string): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
  readonly body: any;
}

const cleanUps: (() => unknown)[] = [];
afterEveryTest(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-server-"));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Registration is open and `folder` holds the database, unless the settings say otherwise. */
export async function serve(variables: Variables = {}, folder = temporaryFolder()): Promise<InProcessServer> {
  const reading = readConfig({
    LATCHKEY_PORT: "0",
    LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "latchkey.db")}`,
    LATCHKEY_REGISTRATION: "open",
    ...variables,
  });
  if ("problems" in reading) throw new Error(reading.problems.join("\n"));
  const { config } = reading;
  const log: string[] = [];
  const { secret = "", previousSecret = "" } = config.issuer;
  const logger = createLogger({
    level: config.server.logLevel,
    form: "json",
    secrets: [secret, previousSecret].filter((text) => text !== ""),
    write: (lines) => void log.push(lines),
  });
  const running = await startServer(config, logger);
  let isStopped = false;
  async function stop(deadlineMs?: number): Promise<number> {
    if (isStopped) return 0;
    isStopped = true;
    return running.stop(deadlineMs);
  }
  cleanUps.push(() => stop(0));

  const host = running.address.host.includes(":") ? `[${running.address.host}]` : running.address.host;
  const url = `http://${host}:${running.address.port}`;
  async function send(path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(`${url}${path}`, init);
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
  }
  const post: InProcessServer["post"] = (path, json, headers = {}) =>
    send(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(json),
    });

  return {
    ...running,
    stop,
    url,
    folder,
    log,
    post,
    get: (path, headers = {}) => send(path, { headers }),
    async signIn(username = "ada") {
      await post("/auth/register", { username, password: PASSWORD });
      return post("/auth/login", { username, password: PASSWORD });
    },
  };
}

/** The payload of a JWT, unverified. */
export function claimsOf(accessToken: string): Readonly<Record<string, unknown>> {
  return JSON.parse(Buffer.from(accessToken.split(".")[1]!, "base64url").toString());
}

/** The header of a JWT, unverified. */
export function headerOf(accessToken: string): Readonly<Record<string, unknown>> {
  return JSON.parse(Buffer.from(accessToken.split(".")[0]!, "base64url").toString());
}
