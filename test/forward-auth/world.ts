import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CookieJar } from "../support/cookie-jar.ts";
import { freePort } from "../support/free-port.mjs";
import { latchkey, PASSWORD, type ServerProcess, startServer } from "../support/server-process.ts";
import { SECRET } from "../support/test-bed.ts";

/** What the application behind the proxy has been asked. */
export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawNames: readonly string[];
  readonly body: string;
}

/** A request to the proxy. */
export interface ProxyRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A real server process, an application that tells what it is asked, and the address of the proxy that goes before both. */
export interface World {
  /** Where the proxy has to listen. */
  readonly proxy: { readonly port: number; readonly url: string };
  readonly folder: string;
  readonly server: ServerProcess;
  readonly application: { readonly port: number; readonly asked: Asked[] };
  /** Asks through the proxy. `seen` is what the application was asked for it; `undefined` where it was not. */
  ask(path: string, request?: ProxyRequest): Promise<{ readonly response: Response; readonly seen: Asked | undefined }>;
  /** The same with a path that is sent as it is written, and with any header. The answer is its status alone. */
  askRaw(path: string, request?: ProxyRequest): Promise<{ readonly status: number; readonly seen: Asked | undefined }>;
  /** Signs in through the proxy. */
  bearer(username: string): Promise<{ readonly authorization: string }>;
  cookies(username: string): Promise<CookieJar>;
  /** How many refreshes the server has answered, by decision. */
  refreshes(): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

/** Starts everything but the proxy. Users: `ada`, `root` with the role admin, and `grace` with the most and longest roles. */
export async function openWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-forward-auth-"));
  try {
    return await openWorldIn(folder);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function openWorldIn(folder: string): Promise<World> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const environment = {
    LATCHKEY_SECRET: SECRET,
    LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "latchkey.db")}`,
    LATCHKEY_ISSUER: url,
    LATCHKEY_TRUSTED_PROXIES: "127.0.0.1",
  };
  const manyRoles = Array.from({ length: 32 }, (_, index) => `${String(index).padStart(2, "0")}${"r".repeat(62)}`);
  await addUser("ada", [], environment);
  await addUser("root", ["admin"], environment);
  await addUser("grace", manyRoles, environment);
  const application = await startApplication();
  const server = await startServer(environment);

  async function login(username: string, transport: string): Promise<Response> {
    const response = await fetch(`${url}/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username, password: PASSWORD, transport }),
    });
    if (!response.ok) throw new Error(`The login answered ${response.status}.`);
    return response;
  }

  async function bearer(username: string) {
    const { access_token: token } = (await (await login(username, "body")).json()) as { access_token: string };
    return { authorization: `Bearer ${token}` };
  }

  return {
    proxy: { port, url },
    folder,
    server,
    application,
    bearer,
    async ask(path, sent = {}) {
      const id = crypto.randomUUID();
      const headers = { ...sent.headers, "x-test-id": id };
      const response = await fetch(url + path, { ...sent, headers, redirect: "manual" } as RequestInit);
      return { response, seen: application.asked.find((asked) => asked.headers["x-test-id"] === id) };
    },
    async askRaw(path, { method = "GET", headers = {} } = {}) {
      const id = crypto.randomUUID();
      const asking = request({ port, host: "127.0.0.1", path, method, headers: { ...headers, "x-test-id": id } });
      asking.end();
      const status = await new Promise<number>((resolve, reject) => {
        asking.on("error", reject);
        asking.on("response", (response) => resolve(response.resume().statusCode ?? 0));
        asking.on("upgrade", (response, socket) => {
          socket.destroy();
          resolve(response.statusCode ?? 0);
        });
      });
      return { status, seen: application.asked.find((asked) => asked.headers["x-test-id"] === id) };
    },
    cookies: async (username) => new CookieJar().take((await login(username, "cookie")).headers),
    async refreshes() {
      const response = await fetch(`${server.url}/auth/admin/metrics`, { headers: await bearer("root") });
      const figures = (await response.json()) as { since_start: { refreshes_by_decision: Record<string, number> } };
      return figures.since_start.refreshes_by_decision;
    },
    async close() {
      await application.close();
      await server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function addUser(username: string, roles: readonly string[], environment: Readonly<Record<string, string>>) {
  const command = ["user", "add", username, "--password-stdin", ...roles.flatMap((role) => ["--role", role])];
  const { code, stderr } = await latchkey(command, environment, `${PASSWORD}\n`);
  if (code !== 0) throw new Error(`'latchkey user add' ended with ${code}: ${stderr}`);
}

async function startApplication() {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const { method = "", url = "", headers, rawHeaders } = request;
    let body = "";
    for await (const chunk of request) body += String(chunk);
    asked.push({ method, url, headers, rawNames: rawHeaders.filter((_, index) => index % 2 === 0), body });
    response.statusCode = url.includes("missing") ? 404 : 200;
    response.setHeader("set-cookie", "application=1; Path=/");
    response.setHeader("cache-control", "public, max-age=60");
    response.end("the application");
  });
  server.on("upgrade", ({ method = "", url = "", headers, rawHeaders }, socket) => {
    asked.push({ method, url, headers, rawNames: rawHeaders.filter((_, index) => index % 2 === 0), body: "" });
    socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    asked,
    port: (server.address() as { port: number }).port,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
