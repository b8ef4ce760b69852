import { isIP } from "node:net";
import { hstsProblem } from "../../http/hsts.ts";
import { addressRangeProblem } from "../../http/request/address-ranges.ts";
import { isExactOrigin } from "../../http/request/origins.ts";
import { readPostgresUrl } from "../../store/postgres/connection/url.ts";

/** The value of a setting's text, or what is wrong with it: words that follow the setting's name. */
export type Reading<Value> = { readonly value: Value } | { readonly problem: string };

/** Reads one setting's text. The problem says what to do and never repeats what may be a secret. */
export type Reader<Value> = (text: string) => Reading<Value>;

/** Where the data is kept. */
export type DatabaseLocation =
  | {
      readonly kind: "sqlite";
      /** As given: relative to the working directory, or absolute. */
      readonly path: string;
    }
  | {
      readonly kind: "postgres";
      /** As given. It may hold a password, so it goes into no message. */
      readonly url: string;
    };

/** No secret that Latchkey accepts is as short as this, and no address with a password goes without an `@`. */
const MOST_SHOWN = 31;

/** A text in quotes for an error message, or `instead` where it could be a secret. */
function shown(text: string, instead: string): string {
  return text.length <= MOST_SHOWN && !text.includes("@") ? `'${JSON.stringify(text).slice(1, -1)}'` : instead;
}

export const anyText: Reader<string> = (value) => ({ value });

/** Decimal digits only: no sign, no exponent, no unit. */
export const wholeNumber: Reader<number> = (text) =>
  /^(?:0|[1-9]\d{0,14})$/.test(text)
    ? { value: Number(text) }
    : { problem: `is ${shown(text, "something else")}, but must be a whole number in digits` };

export const port: Reader<number> = (text) => {
  const reading = wholeNumber(text);
  return "value" in reading && reading.value > 65_535
    ? { problem: `is ${text}, but must be a port from 1 to 65535, or 0 for any free one` }
    : reading;
};

export function oneOf<const Value extends string>(...allowed: readonly Value[]): Reader<Value> {
  return (text) => {
    const value = allowed.find((one) => one === text);
    return value === undefined
      ? { problem: `is ${shown(text, "something else")}, but must be one of ${allowed.join(", ")}` }
      : { value };
  };
}

export const onOff: Reader<boolean> = (text) => {
  const reading = oneOf("on", "off")(text);
  return "value" in reading ? { value: reading.value === "on" } : reading;
};

/** As `on` and `off` are written for an option that says what is asked of others. */
export const offOrRequired: Reader<"off" | "required"> = (text) => {
  const reading = onOff(text);
  return "value" in reading ? { value: reading.value ? "required" : "off" } : reading;
};

/** More than any machine has use for, so that a slip of the finger does not start a thousand processes. */
const MOST_WORKERS = 64;

export const workers: Reader<number> = (text) => {
  const reading = wholeNumber(text);
  if ("problem" in reading || (reading.value >= 1 && reading.value <= MOST_WORKERS)) return reading;
  return { problem: `is ${reading.value}, but must be a whole number from 1 to ${MOST_WORKERS}` };
};

export const hsts: Reader<string> = (text) => {
  const problem = hstsProblem(text);
  return problem === undefined ? { value: text } : { problem };
};

const HOST_NAME = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;

export const bindAddress: Reader<string> = (text) =>
  isIP(text) !== 0 || HOST_NAME.test(text)
    ? { value: text }
    : {
        problem: `is ${shown(text, "something else")}, but must be an address to listen on, without scheme, port or brackets, such as 127.0.0.1, ::1 or 0.0.0.0`,
      };

export const database: Reader<DatabaseLocation> = (text) => {
  if (isPostgresUrl(text)) {
    const reading = readPostgresUrl(text);
    return "problem" in reading ? reading : { value: { kind: "postgres", url: text } };
  }
  const path = /^sqlite:(?<path>[^?#]+)$/.exec(text)?.groups?.path;
  if (path === undefined || path.startsWith(":") || /^\/\/[^/]/.test(path) || /\p{Cc}/u.test(path)) {
    return {
      problem:
        "must be sqlite:PATH with the path of a file, such as sqlite:/var/lib/latchkey/latchkey.db, or postgres://USER:PASSWORD@HOST:5432/DATABASE",
    };
  }
  return { value: { kind: "sqlite", path } };
};

/** The texts of a location that no line of the log may hold. */
export function databaseSecrets(database: DatabaseLocation): readonly string[] {
  if (database.kind === "sqlite") return [];
  const reading = readPostgresUrl(database.url);
  const password = "target" in reading ? reading.target.password : undefined;
  return password === undefined || password === "" ? [] : [database.url, password, encodeURIComponent(password)];
}

export function isPostgresUrl(text: string): boolean {
  return /^postgres(?:ql)?:/i.test(text);
}

/** The option's own rule checks the name. */
export const cookieName: Reader<{ readonly name: string }> = (name) => ({ value: { name } });

export const audiences: Reader<readonly string[]> = listOf((entry) => ({ value: entry }));

/** Exact origins (RFC 6454 section 6.2), as a browser writes them. */
export const origins: Reader<readonly string[]> = listOf((entry) => {
  const example = "Write exact origins such as https://app.example.com";
  if (entry === "*") return { problem: `is '*', which would allow every website. ${example}` };
  if (entry.includes("*")) return { problem: `is a pattern, but origins are compared exactly. ${example}` };
  if (isExactOrigin(entry)) return { value: entry };
  const bare =
    URL.canParse(entry) && /^https?:/i.test(entry) ? new URL(entry).origin : entry.replace(/(?<=[^/:])\/.*$/s, "");
  return isExactOrigin(bare)
    ? { problem: `must be written ${shown(bare, "as a bare origin")}` }
    : { problem: `is not an origin. ${example}` };
});

/** Addresses and networks in CIDR notation. */
export const addressesAndNetworks: Reader<readonly string[]> = listOf((entry) => {
  const problem = addressRangeProblem(entry);
  if (problem !== undefined) return { problem };
  return /\/0+$/.test(entry)
    ? { problem: "would trust every client. Name the proxies in front of this server" }
    : { value: entry };
});

function listOf(readEntry: Reader<string>): Reader<readonly string[]> {
  return (text) => {
    const entries: string[] = [];
    for (const [index, part] of text.split(",").entries()) {
      const entry = part.trim();
      const reading =
        entry === "" ? { problem: "is empty. Separate the entries with single commas" } : readEntry(entry);
      if ("problem" in reading) return { problem: `entry ${index + 1} ${reading.problem}` };
      entries.push(reading.value);
    }
    return { value: entries };
  };
}
