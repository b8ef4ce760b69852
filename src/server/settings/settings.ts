import { type IssuerOptions, issuerOptions } from "../../engine/options.ts";
import { type HandlerOptions, handlerOptionProblems } from "../../http/handler-options.ts";
import type { Problem } from "../../option-rules.ts";
import { signingAlgorithms } from "../../signing/signing-algorithms.ts";
import {
  addressesAndNetworks,
  anyText,
  audiences,
  bindAddress,
  cookieName,
  type DatabaseLocation,
  database,
  hsts,
  offOrRequired,
  oneOf,
  onOff,
  origins,
  port,
  type Reader,
  type Reading,
  wholeNumber,
  workers,
} from "./setting-values.ts";

/** One environment variable: how its text is read, and the option that it feeds. */
interface Setting<Feeds extends "issuer" | "handler" | "server", Option extends string, Value> {
  readonly feeds: Feeds;
  readonly option: Option;
  readonly read: Reader<Value>;
  /** For `latchkey start --help`. Where the value is left out, the option's own default holds. */
  readonly help: string;
}

/** The server's own settings, which always have a value. */
interface ServerSettings {
  readonly host: string;
  readonly port: number;
  readonly database: DatabaseLocation;
  readonly workers: number;
  readonly logLevel: LogLevel;
}

export const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** What the server's own settings are when they are left out. */
export const serverDefaults: ServerSettings = Object.freeze({
  host: "127.0.0.1",
  port: 4000,
  database: Object.freeze({ kind: "sqlite", path: "latchkey.db" }),
  workers: 1,
  logLevel: "info",
});

/** Every setting there is. A name that is not here is refused. */
export const settings = {
  LATCHKEY_SECRET: issuer("secret", anyText, "root secret, 32 bytes or more; required in production"),
  LATCHKEY_SECRET_PREVIOUS: issuer("previousSecret", anyText, "the previous root secret, still accepted"),
  LATCHKEY_DATABASE_URL: server(
    "database",
    database,
    "sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE (sqlite:latchkey.db)",
  ),
  LATCHKEY_ISSUER: issuer("issuer", anyText, "the URL that clients use (http://127.0.0.1:PORT)"),
  LATCHKEY_AUDIENCE: issuer("audience", audiences, "aud of access tokens, comma-separated (the issuer)"),
  LATCHKEY_HOST: server("host", bindAddress, "address to listen on (127.0.0.1)"),
  LATCHKEY_PORT: server("port", port, "port to listen on; 0 for any free one (4000)"),
  LATCHKEY_ACCESS_TTL_SECONDS: issuer("accessTtlSeconds", wholeNumber, "lifetime of an access token (900)"),
  LATCHKEY_SESSION_TTL_SECONDS: issuer("sessionTtlSeconds", wholeNumber, "lifetime of a session (2592000)"),
  LATCHKEY_IDLE_TTL_SECONDS: issuer("idleTtlSeconds", wholeNumber, "lifetime of an unused session (1209600)"),
  LATCHKEY_ROTATION_GRACE_SECONDS: issuer(
    "rotationGraceSeconds",
    wholeNumber,
    "how long a used refresh token gets the same successor; 0 = never (10)",
  ),
  LATCHKEY_SIGNING_ALG: issuer(
    "signingAlg",
    oneOf(...signingAlgorithms),
    `${signingAlgorithms.join(", ")} (ES256, or the algorithm of the keys in the database)`,
  ),
  LATCHKEY_REGISTRATION: issuer(
    "registration",
    oneOf("open", "closed"),
    "who may register: open = anyone, closed = nobody (closed)",
  ),
  LATCHKEY_PASSWORD_MIN_LENGTH: issuer(
    "passwordMinLength",
    wholeNumber,
    "minimum length of a new password in characters, 8 or more (15)",
  ),
  LATCHKEY_PASSWORD_GRANT: handler("passwordGrant", onOff, "grant_type=password on /token: on, off (off)"),
  LATCHKEY_COOKIE_NAME: issuer("cookies", cookieName, "prefix of the session cookies' names (latchkey)"),
  LATCHKEY_ALLOWED_ORIGINS: handler("allowedOrigins", origins, "origins that browsers may call from (none)"),
  LATCHKEY_TRUSTED_PROXIES: handler(
    "trustedProxies",
    addressesAndNetworks,
    "addresses or networks whose X-Forwarded-For is trusted (none)",
  ),
  LATCHKEY_HSTS: handler("hsts", hsts, "Strict-Transport-Security of an https issuer, or off (max-age=31536000)"),
  LATCHKEY_DPOP_NONCE: issuer(
    "dpopNonce",
    offOrRequired,
    "whether DPoP proofs require a nonce from the server: on, off (off)",
  ),
  LATCHKEY_STALE_WITH_PROOF: issuer(
    "staleWithProof",
    oneOf("answer", "revoke"),
    "what to do with a replaced refresh token that comes with proof of its key: answer, revoke (answer)",
  ),
  LATCHKEY_SESSION_REFRESHES_PER_MINUTE: issuer(
    "sessionRefreshesPerMinute",
    wholeNumber,
    "refreshes per session; 0 = no limit (120)",
  ),
  LATCHKEY_LOGINS_PER_HOUR: issuer("loginsPerHour", wholeNumber, "logins per account; 0 = no limit (60)"),
  LATCHKEY_REGISTRATIONS_PER_HOUR: issuer(
    "registrationsPerHour",
    wholeNumber,
    "registrations per address; 0 = no limit (60)",
  ),
  LATCHKEY_SESSIONS_PER_USER: issuer("sessionsPerUser", wholeNumber, "sessions per person; 0 = no limit (100)"),
  LATCHKEY_WORKERS: server("workers", workers, "number of server processes; more than 1 requires PostgreSQL (1)"),
  LATCHKEY_LOG_LEVEL: server("logLevel", oneOf(...logLevels), `${logLevels.join(", ")} (info)`),
};

type Settings = typeof settings;
export type SettingName = keyof Settings;

type OptionFedBy<One, Feeds> = One extends { readonly feeds: Feeds; readonly option: infer Option extends string }
  ? Option
  : never;
type ValueOf<One> = One extends { readonly read: (text: string) => Reading<infer Value> } ? Value : never;

/** The options of `createIssuer`, `createHandler` or the server itself that settings feed, by option. */
export type Fed<Feeds extends "issuer" | "handler" | "server"> = {
  readonly [Name in SettingName as OptionFedBy<Settings[Name], Feeds>]?: ValueOf<Settings[Name]>;
};

function issuer<const Option extends keyof IssuerOptions, Value extends IssuerOptions[Option]>(
  option: Option,
  read: Reader<Value>,
  help: string,
): Setting<"issuer", Option, Value> {
  return { feeds: "issuer", option, help, read: accepted(read, (value) => issuerOptions.problem(option, value)) };
}

function handler<const Option extends keyof HandlerOptions & string, Value extends HandlerOptions[Option]>(
  option: Option,
  read: Reader<Value>,
  help: string,
): Setting<"handler", Option, Value> {
  return { feeds: "handler", option, help, read: accepted(read, handlerOptionProblems[option]) };
}

/** The value of the text must pass the option's own rule too. */
function accepted<Value>(read: Reader<Value>, problemOf: Problem): Reader<Value> {
  return (text) => {
    const reading = read(text);
    if ("problem" in reading) return reading;
    const problem = problemOf(reading.value);
    if (problem === undefined) return reading;
    return { problem: typeof reading.value === "number" ? `is ${reading.value}, but ${problem}` : problem };
  };
}

function server<const Option extends keyof ServerSettings>(
  option: Option,
  read: Reader<ServerSettings[Option]>,
  help: string,
): Setting<"server", Option, ServerSettings[Option]> {
  return { feeds: "server", option, read, help };
}
