import { access, constants, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { systemEnvironment } from "../environment.ts";
import { isLoopback } from "../issuer-url.ts";
import { deriveRootKeys } from "../secrets/root-secret.ts";
import { createSealedKeys } from "../signing/sealed-keys.ts";
import { readPostgresUrl } from "../store/postgres/connection/url.ts";
import { explainFailure } from "./failure.ts";
import { openToEverybody } from "./file-modes.ts";
import { inspectDatabase } from "./inspect-database.ts";
import { openStore } from "./open-store.ts";
import { OLDEST_NODE } from "./package-version.ts";
import { type Config, type ConfigReading, issuerUrl } from "./settings/config.ts";
import { readSecretFile, secretFilePath } from "./settings/secret-file.ts";
import type { DatabaseLocation } from "./settings/setting-values.ts";

/** One line of the checklist. `note` needs nothing done. */
export interface Finding {
  readonly subject: string;
  readonly state: "ok" | "note" | "wrong";
  readonly text: string;
}

type Check = (config: Config) => Promise<readonly Finding[]>;

const LITTLE_SPACE_BYTES = 64 * 1024 * 1024;
const PROBE_TIMEOUT_MS = 2000;
/** A stamp this far ahead of the clock was made by another clock, or by this one before it was set back. */
const CLOCK_TOLERANCE_MS = 60_000;
/** No clock that is right says anything earlier. */
const EARLIEST_MS = Date.UTC(2026, 0, 1);

/** Looks at everything that the server needs. Changes nothing, and asks no machine but this one. */
export async function examine(reading: ConfigReading): Promise<readonly Finding[]> {
  const findings = [examineNode(process.versions.node)];
  if ("problems" in reading) {
    return [...findings, ...reading.problems.map((problem) => wrong("configuration", problem))];
  }
  const { config } = reading;
  findings.push(
    ok("configuration", config.production.length === 0 ? "valid, for development" : "valid, for production"),
  );
  for (const check of checks) findings.push(...(await check(config)));
  return findings;
}

/** @param version as in `process.versions.node`. */
export function examineNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE.split(".").map(Number);
  const isNewEnough = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
  return isNewEnough
    ? ok("node", version)
    : wrong("node", `${version} is too old. Install Node.js ${OLDEST_NODE} or later.`);
}

const checks: readonly Check[] = [examineProxies, examineDatabase, examineSecret, examineDisk, examineIssuer];

/** A proxy that terminates TLS in front writes the client's address into a header, which is trusted only from trusted proxies. */
async function examineProxies(config: Config): Promise<readonly Finding[]> {
  const { trustedProxies = [] } = config.handler;
  if (trustedProxies.length > 0) return [ok("proxies", `${trustedProxies.join(", ")} are trusted`)];
  if (!issuerUrl(config).startsWith("https:")) return [];
  return [
    note(
      "proxies",
      "LATCHKEY_TRUSTED_PROXIES is not set, and the issuer is https: if a proxy in front terminates TLS and sends X-Forwarded-For, " +
        "set it to the proxy's address. Otherwise all clients behind it count as one address",
    ),
  ];
}

async function examineDatabase({ server: { database } }: Config): Promise<readonly Finding[]> {
  const place = placeOf(database);
  try {
    const found = await inspectDatabase(database, { lookForFaults: true });
    if (found === undefined) {
      if (database.kind === "sqlite") await access(dirname(place), constants.W_OK | constants.X_OK);
      return [note("database", `${place} does not exist yet; the first start creates it`)];
    }
    const { schemaVersion, newestVersion, faults, server } = found;
    if (faults.length > 0) return [wrong("database", `${place} is damaged: ${faults.join("; ")}. Restore a backup.`)];
    const problem = database.kind === "sqlite" ? openToEverybody(database.path) : undefined;
    if (problem !== undefined) return [wrong("database", problem)];
    if (schemaVersion < newestVersion) {
      const text = `${place} is at schema version ${schemaVersion}; the next start brings it to ${newestVersion}`;
      return [note("database", text)];
    }
    const health = server === undefined ? "is intact and writable" : `is on ${server} and writable`;
    return [ok("database", `${place} ${health}, schema version ${schemaVersion}`), ...(await examineClock(database))];
  } catch (error) {
    return [wrong("database", databaseProblem(error, place))];
  }
}

function placeOf(database: DatabaseLocation): string {
  if (database.kind === "sqlite") return resolve(database.path);
  const reading = readPostgresUrl(database.url);
  return "target" in reading ? reading.target.description : "the PostgreSQL database";
}

function databaseProblem(error: unknown, path: string): string {
  return error instanceof Error && "syscall" in error
    ? `${dirname(path)} is not a directory in which this user may write. Create it, or set LATCHKEY_DATABASE_URL.`
    : explainFailure(error);
}

/** Only for a database that is up to date, so that opening it changes nothing. */
async function examineClock(database: Config["server"]["database"]): Promise<readonly Finding[]> {
  const now = systemEnvironment.clock.now();
  if (now < EARLIEST_MS) return [wrong("clock", `${new Date(now).toISOString()} cannot be right. Set the clock.`)];
  const store = await openStore(database);
  try {
    const [newest] = await store.listLiveSessions(0, 1);
    const { keys } = await store.readSigningKeys();
    const stamps = [newest?.createdAt ?? 0, ...keys.map(({ createdAt }) => createdAt)];
    const aheadMs = Math.max(...stamps) - now;
    return aheadMs > CLOCK_TOLERANCE_MS
      ? [wrong("clock", `it is ${Math.round(aheadMs / 1000)} s behind the newest time in the database. Set the clock.`)]
      : [ok("clock", new Date(now).toISOString())];
  } finally {
    await store.close();
  }
}

async function examineSecret(config: Config): Promise<readonly Finding[]> {
  const { database } = config.server;
  const path = database.kind === "sqlite" ? secretFilePath(database.path) : undefined;
  try {
    const secret = config.issuer.secret ?? (path && (await readSecretFile(path)));
    const found = await inspectDatabase(database);
    const isUsable = found !== undefined && found.schemaVersion >= found.newestVersion;
    const sealedKeys = isUsable ? await examineSealing(config, secret) : 0;
    if (secret === undefined) {
      return sealedKeys === 0
        ? [note("secret", `the first start creates one and keeps it in ${path}`)]
        : [
            wrong(
              "secret",
              `${path} does not exist, and the signing keys need it. Restore it, or set LATCHKEY_SECRET.`,
            ),
          ];
    }
    return [ok("secret", config.issuer.secret === undefined ? `kept in ${path}` : "from LATCHKEY_SECRET")];
  } catch (error) {
    return [wrong("secret", explainFailure(error))];
  }
}

/** How many signing keys there are. Throws when the secret does not open them. */
async function examineSealing(config: Config, secret: string | undefined): Promise<number> {
  const store = await openStore(config.server.database);
  try {
    if (secret === undefined) return (await store.readSigningKeys()).keys.length;
    const rootKeys = deriveRootKeys(secret, config.issuer.previousSecret);
    return (await createSealedKeys({ store, rootKeys, environment: systemEnvironment }).read()).keys.length;
  } finally {
    await store.close();
  }
}

async function examineDisk({ server: { database } }: Config): Promise<readonly Finding[]> {
  if (database.kind === "postgres") return [];
  try {
    const { bavail, bsize } = await statfs(dirname(resolve(database.path)));
    const freeBytes = bavail * bsize;
    const text = `${Math.floor(freeBytes / 1024 / 1024)} MiB free beside the database`;
    return [freeBytes < LITTLE_SPACE_BYTES ? wrong("disk", `only ${text}. Free some space.`) : ok("disk", text)];
  } catch {
    return []; // The database's own finding says what is wrong with the directory.
  }
}

/** Asks the issuer's URL only where it is this machine: no other is asked. */
async function examineIssuer(config: Config): Promise<readonly Finding[]> {
  const issuer = issuerUrl(config);
  if (!isLoopback(new URL(issuer).hostname)) return [note("issuer", `${issuer}, which is not checked from here`)];
  if (config.issuer.issuer === undefined && config.server.port === 0) {
    return [note("issuer", "known only when the server listens, because LATCHKEY_PORT is 0")];
  }
  try {
    const url = `${issuer}/.well-known/oauth-authorization-server`;
    const response = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    const metadata: unknown = await response.json();
    const announced = (metadata as { issuer?: unknown } | null)?.issuer;
    return announced === issuer
      ? [ok("issuer", `${issuer} answers`)]
      : [wrong("issuer", `something else answers at ${issuer}. Stop it, or choose another LATCHKEY_PORT.`)];
  } catch (error) {
    return isRefused(error)
      ? [note("issuer", `${issuer}, where no server runs now`)]
      : [
          wrong(
            "issuer",
            `something else answers at ${issuer}, or nothing answers in time. Stop it, or choose another LATCHKEY_PORT.`,
          ),
        ];
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && (error.cause as NodeJS.ErrnoException | undefined)?.code === "ECONNREFUSED";
}

const ok = (subject: string, text: string): Finding => ({ subject, state: "ok", text });
const note = (subject: string, text: string): Finding => ({ subject, state: "note", text });
const wrong = (subject: string, text: string): Finding => ({ subject, state: "wrong", text });
