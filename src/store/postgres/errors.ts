import { LatchkeyError } from "../../errors.ts";

/**
 * What an error says of the act that it ended. `undone`: the server has rolled it back, and another try may succeed.
 * `unknown`: the connection was lost, so it may have been committed. `final`: another try at once would not help.
 */
export type Failure = "undone" | "unknown" | "final";

/** The server that responded accepts no writes: a standby, or a primary that is set to read only. */
export class ReadOnlyServerError extends Error {}

interface Meaning {
  readonly code: "store_unavailable" | "store_unusable";
  readonly retryAfterSeconds: number;
  readonly explain: (place: string) => string;
}

const SERIALIZATION_FAILURE = "40001";
const DEADLOCK = "40P01";
/** What `pg` says where it has no code: it lost the connection under a query. */
const LOST = /^Connection terminated(?: unexpectedly)?$|not queryable$/;
const TIMED_OUT = /^Query read timeout$/;
const NOT_CONNECTED = /^timeout e(?:xpired|xceeded when trying to connect)$|due to connection timeout$/;

export function failureOf(error: unknown): Failure {
  const code = codeOf(error);
  if (code === SERIALIZATION_FAILURE || code === DEADLOCK) return "undone";
  const isLost =
    code === "40003" ||
    code === "ECONNRESET" ||
    code === "EPIPE" ||
    /^08|^57P0[12]/.test(code) ||
    LOST.test(textOf(error));
  return isLost && !isConnecting(error) ? "unknown" : "final";
}

/** Whether the connection may be used again after the error: only the server's own word, and no farewell, says so. */
export function leavesConnectionUsable(error: unknown): boolean {
  return error instanceof Error && /^[0-9A-Z]{5}$/.test(codeOf(error)) && !/^(?:08|57P|25006|XX)/.test(codeOf(error));
}

const connecting = new WeakSet<Error>();

/** Marks an error as one of connecting, so that nothing can have been committed under it. */
export function whileConnecting(error: unknown): Error {
  const known = error instanceof Error ? error : new Error(String(error));
  connecting.add(known);
  return known;
}

function isConnecting(error: unknown): boolean {
  return error instanceof Error && connecting.has(error);
}

const unreachable: Meaning = {
  code: "store_unavailable",
  retryAfterSeconds: 1,
  explain: (place) =>
    `${place} does not answer. Check that PostgreSQL runs and that host and port are right; no restart of Latchkey is needed.`,
};
const readOnly: Meaning = {
  code: "store_unavailable",
  retryAfterSeconds: 1,
  explain: (place) =>
    `${place} is a standby, or is set to read only. The URL must lead to the primary. It may name several hosts; Latchkey uses the primary among them.`,
};
const lost: Meaning = {
  code: "store_unavailable",
  retryAfterSeconds: 1,
  explain: (place) => `The connection to ${place} was lost, so the last change may or may not be kept.`,
};
const slow: Meaning = {
  code: "store_unavailable",
  retryAfterSeconds: 1,
  explain: (place) =>
    `${place} took too long to answer. Look for the cause: long transactions, locks (pg_stat_activity), a slow disk, the network.`,
};
const untrusted: Meaning = {
  code: "store_unusable",
  retryAfterSeconds: 30,
  explain: (place) =>
    `The TLS certificate of ${place} is not trusted, or is for another name. Name its authority with sslrootcert=PATH in the URL, or correct the host. sslmode=require would encrypt without verifying the server.`,
};
const refused: Meaning = {
  code: "store_unusable",
  retryAfterSeconds: 30,
  explain: (place) =>
    `${place} refused the user or the password. Correct them in the URL, percent-encoded, or set the password there, which needs no restart: ALTER ROLE … LOGIN PASSWORD.`,
};
const forbidden: Meaning = {
  code: "store_unusable",
  retryAfterSeconds: 30,
  explain: (place) =>
    `The user of ${place} may not do what Latchkey needs. To create its tables: GRANT CREATE ON DATABASE … TO …; for tables that are there: make the user their owner, or grant it USAGE on the schema latchkey and SELECT, INSERT, UPDATE, DELETE on its tables.`,
};
const foreign: Meaning = {
  code: "store_unusable",
  retryAfterSeconds: 30,
  explain: (place) =>
    `The schema latchkey of ${place} differs from what this version of Latchkey creates. Restore a backup. If the schema belongs to another program, use a separate database for Latchkey.`,
};

/** By SQLSTATE, by its class, and by the codes of Node's network and TLS. */
const meanings: Readonly<Record<string, Meaning>> = {
  "28000": refused,
  "28P01": refused,
  "3D000": {
    code: "store_unusable",
    retryAfterSeconds: 30,
    explain: (place) =>
      `The database of ${place} does not exist. Create it: CREATE DATABASE … OWNER … ENCODING 'UTF8'.`,
  },
  "53100": {
    code: "store_unavailable",
    retryAfterSeconds: 5,
    explain: (place) => `The disk of ${place} is full. Nothing was changed. Free some space; no restart is needed.`,
  },
  "53300": {
    code: "store_unavailable",
    retryAfterSeconds: 2,
    explain: (place) =>
      `${place} has no connections left. Raise max_connections, let Latchkey use fewer, or put PgBouncer in between.`,
  },
  "53": {
    code: "store_unavailable",
    retryAfterSeconds: 5,
    explain: (place) => `${place} has run out of memory or another resource.`,
  },
  "57014": slow,
  "55P03": slow,
  "57P03": {
    code: "store_unavailable",
    retryAfterSeconds: 1,
    explain: (place) => `${place} is starting up, shutting down or recovering. Latchkey tries again.`,
  },
  "57": lost,
  "40": {
    code: "store_unavailable",
    retryAfterSeconds: 1,
    explain: (place) => `Too many transactions conflicted in ${place}. Nothing was changed.`,
  },
  "25006": readOnly,
  "25": slow,
  "42501": forbidden,
  "42": foreign,
  "3F": foreign,
  "08P01": {
    code: "store_unusable",
    retryAfterSeconds: 30,
    explain: (place) =>
      `PgBouncer seems to answer at ${place}, and refused the connection. Check that it knows the user and the database. Its log has details.`,
  },
  "08": lost,
  "58": {
    code: "store_unavailable",
    retryAfterSeconds: 5,
    explain: (place) => `${place} could not read or write its files. Check its disk and its log.`,
  },
  ECONNRESET: lost,
  EPIPE: lost,
};

const unexpected: Meaning = {
  code: "store_unusable",
  retryAfterSeconds: 30,
  explain: (place) => `${place} refused a statement. Its log has details.`,
};

/**
 * What to reject with when PostgreSQL or the way to it has failed at `place`. An error that is neither's is given back as it
 * is; a broken constraint is a mistake of the caller and becomes a plain error. No row's content gets out.
 */
export function toStoreError(error: unknown, place: string): unknown {
  if (error instanceof ReadOnlyServerError) return storeError(readOnly, place);
  const meaning = meaningOf(error);
  if (meaning !== undefined) return storeError(meaning, place, withoutContent(error as Error));
  return codeOf(error).startsWith("23") ? withoutContent(error as Error) : error;
}

/** A `store_unusable` that says what is wrong and what to do. */
export function unusable(detail: string, cause?: unknown): LatchkeyError {
  return new LatchkeyError("store_unusable", { detail, retryAfterSeconds: 30, cause });
}

function meaningOf(error: unknown): Meaning | undefined {
  const code = codeOf(error);
  const text = textOf(error);
  if (/server does not support SSL|establishing an SSL/.test(text)) return noTls;
  if (/password must be a string|no password supplied/.test(text)) return noPassword;
  if (TIMED_OUT.test(text)) return slow;
  if (isConnecting(error))
    return meanings[code] !== undefined && code !== "ECONNRESET" ? meanings[code] : whenConnecting(code);
  if (LOST.test(text)) return lost;
  if (NOT_CONNECTED.test(text)) return unreachable;
  if (!/^[0-9A-Z]{5}$/.test(code)) return meanings[code];
  if (code.startsWith("23")) return undefined;
  return meanings[code] ?? meanings[code.slice(0, 2)] ?? unexpected;
}

function whenConnecting(code: string): Meaning {
  if (/^(?:ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH)/.test(code)) return untrusted;
  return meanings[code.slice(0, 2)] === undefined || !/^[0-9A-Z]{5}$/.test(code)
    ? unreachable
    : meanings[code.slice(0, 2)]!;
}

const noTls: Meaning = {
  code: "store_unusable",
  retryAfterSeconds: 30,
  explain: (place) =>
    `${place} offers no TLS. Enable it there (ssl = on). If nobody can listen on the network in between, you can add sslmode=disable to the URL instead.`,
};
const noPassword: Meaning = {
  code: "store_unusable",
  retryAfterSeconds: 30,
  explain: (place) => `${place} requires a password, and the URL has none. Write postgres://USER:PASSWORD@….`,
};

function storeError({ code, retryAfterSeconds, explain }: Meaning, place: string, cause?: unknown): LatchkeyError {
  return new LatchkeyError(code, { detail: explain(place), retryAfterSeconds, cause });
}

/** The server's message and code alone: its details repeat whole rows, and `pg` hangs the connection to some errors. */
function withoutContent(error: Error): Error {
  return Object.assign(new Error(error.message), { name: error.name, code: codeOf(error) });
}

function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : "";
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}
