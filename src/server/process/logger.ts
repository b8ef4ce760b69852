import { type Logger as PinoLogger, pino, stdTimeFunctions } from "pino";
import { prettyFactory } from "pino-pretty";
import type { EventListener, LatchkeyEvent } from "../../engine/events.ts";
import type { LogLevel } from "../settings/settings.ts";
import { createLineFilter, withoutSecretFields } from "./redaction.ts";

/** What of pino is used here. No children: what a child is given at its making passes no redaction. */
export type Logger = Pick<PinoLogger, "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "isLevelEnabled">;

/** What `createLogger` takes. */
export interface LoggerOptions {
  readonly level: LogLevel;
  /** `json`: one JSON object a line, for machines. `readable`: one line for people, in colour where asked for. */
  readonly form: "json" | "readable";
  readonly colour?: boolean;
  /** Stands in every line: which of several processes wrote it. */
  readonly origin?: { readonly worker: number; readonly pid: number };
  /** Texts that no line may contain, regardless of what wrote it. */
  readonly secrets: readonly string[];
  /** Takes whole lines, line feed included. */
  readonly write: (lines: string) => void;
}

/**
 * Makes the log. Fields that hold secrets are redacted by name, tokens and hashes by their shape, at every level, and nothing
 * that a client sends can break a line or speak to the terminal.
 */
export function createLogger({ level, form, colour = false, origin, secrets, write }: LoggerOptions): Logger {
  const filter = createLineFilter(secrets);
  const shape = form === "json" ? (line: string) => line : readableForm(colour);
  return pino(
    {
      level,
      base: origin ?? null,
      timestamp: stdTimeFunctions.isoTime,
      // Errors are described with the other fields; pino's own form would add more of them than may be logged.
      serializers: { err: (described) => described },
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => withoutSecretFields(fields) as Record<string, unknown>,
      },
    },
    { write: (line: string) => write(filter(shape(line))) },
  );
}

/** More than that is not gathered: it is about what a pipe takes at once. */
const GATHERED_MOST = 64 * 1024;

/**
 * Writes to the standard output what has gathered when a turn of the event loop ends, and the rest when the process does: one
 * write for each line took 8 % of a refresh. A reader that has gone or a full disk costs log lines, never the server.
 */
export function writeToStandardOutput(): (lines: string) => void {
  const destination = pino.destination({ fd: 1, sync: true, maxLength: 1024 * 1024 });
  destination.on("error", () => {});
  let gathered = "";
  function flush(): void {
    if (gathered === "") return;
    destination.write(gathered);
    gathered = "";
  }
  process.on("exit", flush);
  return (lines) => {
    if (gathered === "") setImmediate(flush);
    gathered += lines;
    if (gathered.length >= GATHERED_MOST) flush();
  };
}

type Level = "info" | "warn";

const eventLines: Readonly<Record<LatchkeyEvent["type"], readonly [Level, string]>> = {
  "login.succeeded": ["info", "signed in"],
  "login.failed": ["warn", "sign-in refused"],
  "session.refreshed": ["info", "session refreshed"],
  "refresh_token.reused": ["warn", "a replaced refresh token was used again: session revoked"],
  "refresh_token.reuse_forgiven": [
    "info",
    "a replaced refresh token was used again by a client that had disconnected: forgiven",
  ],
  "refresh_token.repeated_elsewhere": ["warn", "a refresh token was used from two places within the grace window"],
  "session.caught_up": ["info", "a stale refresh token with proof of its key: returned the newest one"],
  "session.rolled_back": [
    "warn",
    "a refresh token is newer than its session in the database: the database has lost writes",
  ],
  "session.reauthenticated": ["info", "password confirmed"],
  "session.adopted": ["info", "session adopted from another system"],
  "session.adoption_refused": ["warn", "a token of another system names another subject or client than its session"],
  "session.logged_out": ["info", "signed out"],
  "session.revoked": ["info", "session revoked"],
  "user.registered": ["info", "user registered"],
  "user.created": ["info", "user created"],
  "users.imported": ["info", "users imported"],
  "sessions.revoked": ["info", "sessions revoked"],
  "database.migrated": ["info", "database migrated"],
  "database.backed_up": ["info", "database backed up"],
  "throttle.cleared": ["info", "limits on attempts lifted"],
  "user.password_changed": ["info", "password changed"],
  "user.disabled": ["info", "user disabled"],
  "user.enabled": ["info", "user enabled"],
  "user.roles_changed": ["info", "roles changed"],
  "client.created": ["info", "client created"],
  "client.disabled": ["info", "client disabled"],
  "client.enabled": ["info", "client enabled"],
  "client.refused": ["warn", "client authentication refused"],
  "client.token_issued": ["info", "a client's own access token issued"],
  "signing_key.rotated": ["info", "signing key changed"],
  "signing_key.removed": ["warn", "signing key removed: what it has signed is refused"],
  "store.degraded": ["warn", "the store is degraded"],
  "clock.differs": ["warn", "this machine's clock differs from the database's: synchronise both by NTP"],
};

/** Writes one line for every event, its type under `event`, its time as the line's own. */
export function logEvents(logger: Logger): EventListener {
  return ({ type, time: _, ...fields }) => {
    const [level, message] = eventLines[type];
    logger[level]({ event: type, ...fields }, message);
  };
}

function readableForm(colour: boolean): (line: string) => string {
  return prettyFactory({
    colorize: colour,
    colorizeObjects: false,
    singleLine: true,
    translateTime: "SYS:HH:MM:ss",
  });
}
