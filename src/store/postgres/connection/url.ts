import { isIP } from "node:net";

/** Where a PostgreSQL database is and how it is reached: what its URL says. */
export interface PostgresTarget {
  /** Tried in order until one is the primary. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly user: string;
  /** Where there is none, `pg` takes PGPASSWORD, or the server may need none. */
  readonly password: string | undefined;
  readonly database: string;
  readonly tls: PostgresTls | null;
  readonly applicationName: string;
  /** Binds SCRAM authentication to the TLS connection where the server offers it (RFC 5929). */
  readonly channelBinding: boolean;
  /** The URL as an operator may see it: without password and parameters. */
  readonly description: string;
}

/** How the server proves itself: libpq's `sslmode`, without the modes that fall back to plain text. */
export interface PostgresTls {
  readonly mode: "require" | "verify-ca" | "verify-full";
  readonly rootCertificatePath: string | undefined;
  readonly certificatePath: string | undefined;
  readonly keyPath: string | undefined;
}

const DEFAULT_PORT = 5432;
const EXAMPLE = "postgres://USER:PASSWORD@HOST:5432/DATABASE";
const URL_SHAPE = /^postgres(?:ql)?:\/\/(?<authority>[^/?]*)(?:\/(?<database>[^/?]*))?(?:\?(?<query>.*))?$/is;
const known = [
  "sslmode",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "host",
  "application_name",
  "channel_binding",
  "target_session_attrs",
] as const;

/**
 * Reads a `postgres://` URL, which may name several hosts. TLS with a verified certificate is the default wherever the server
 * is not on this machine. The problem follows the name of the setting or option and repeats nothing of the URL, which holds
 * a password.
 */
export function readPostgresUrl(url: string): { readonly target: PostgresTarget } | { readonly problem: string } {
  try {
    return { target: parse(url) };
  } catch (error) {
    if (error instanceof UrlProblem) return { problem: error.message };
    throw error;
  }
}

/** Whether a host is a directory of Unix-domain sockets. */
function isSocketDirectory(host: string): boolean {
  return host.startsWith("/");
}

class UrlProblem extends Error {}

function parse(url: string): PostgresTarget {
  const parts = URL_SHAPE.exec(url)?.groups;
  if (parts === undefined || /\p{Cc}|\s/u.test(url)) {
    throw new UrlProblem(`must be ${EXAMPLE}, with any of / ? # @ : and spaces in the password percent-encoded`);
  }
  const parameters = readParameters(parts.query ?? "");
  const at = parts.authority!.lastIndexOf("@");
  const [userText = "", ...passwordTexts] = parts.authority!.slice(0, Math.max(at, 0)).split(":");
  const user = decoded(userText);
  const database = decoded(parts.database ?? "");
  if (user === "") throw new UrlProblem(`names no user. Write ${EXAMPLE}`);
  if (database === "") throw new UrlProblem(`names no database. Write ${EXAMPLE}`);
  const hosts = (parameters.get("host") ?? parts.authority!.slice(at + 1)).split(",").map(readHost);
  const description = `postgres://${encodeURIComponent(user)}@${hosts.map(shownHost).join(",")}/${encodeURIComponent(database)}`;
  checkSessionAttributes(parameters.get("target_session_attrs"));
  return {
    hosts,
    user,
    password: passwordTexts.length === 0 ? undefined : decoded(passwordTexts.join(":")),
    database,
    tls: readTls(parameters, hosts),
    applicationName: parameters.get("application_name") ?? "latchkey",
    channelBinding: readChannelBinding(parameters.get("channel_binding")),
    description,
  };
}

function readParameters(query: string): ReadonlyMap<(typeof known)[number], string> {
  const parameters = new Map<(typeof known)[number], string>();
  for (const [name, value] of new URLSearchParams(query)) {
    const parameter = known.find((one) => one === name);
    if (parameter === undefined) {
      throw new UrlProblem(
        `has an unknown parameter; the known ones are: ${known.join(", ")}. Write a ? in the password as %3F`,
      );
    }
    if (parameters.has(parameter)) throw new UrlProblem(`has the parameter ${parameter} twice`);
    parameters.set(parameter, value);
  }
  return parameters;
}

function readHost(text: string): PostgresTarget["hosts"][number] {
  const plain = decoded(text);
  if (isSocketDirectory(plain)) return { host: plain, port: DEFAULT_PORT };
  const { six, name, port } =
    /^(?:\[(?<six>[^\]]+)\]|(?<name>[^:[\]]+))(?::(?<port>\d{1,5}))?$/.exec(text)?.groups ?? {};
  const host = six ?? decoded(name ?? "");
  const number = port === undefined ? DEFAULT_PORT : Number(port);
  if (host === "" || (six !== undefined && isIP(six) !== 6) || number < 1 || number > 65_535) {
    throw new UrlProblem(`names no valid host and port. Write ${EXAMPLE}, and percent-encode the password`);
  }
  return { host, port: number };
}

function readTls(parameters: ReturnType<typeof readParameters>, hosts: PostgresTarget["hosts"]): PostgresTls | null {
  const mode = parameters.get("sslmode") ?? (hosts.every(({ host }) => isLocal(host)) ? "disable" : "verify-full");
  if (mode === "disable") return null;
  if (mode !== "require" && mode !== "verify-ca" && mode !== "verify-full") {
    throw new UrlProblem(
      "has an unknown sslmode, or one that may fall back to plain text. Write sslmode=verify-full, verify-ca, require or disable",
    );
  }
  const rootCertificatePath = parameters.get("sslrootcert");
  if (mode === "verify-ca" && rootCertificatePath === undefined) {
    throw new UrlProblem("has sslmode=verify-ca, which needs sslrootcert=PATH, the file of the authority to trust");
  }
  const certificatePath = parameters.get("sslcert");
  const keyPath = parameters.get("sslkey");
  if ((certificatePath === undefined) !== (keyPath === undefined)) {
    throw new UrlProblem("has only one of sslcert and sslkey. Set both, or neither");
  }
  // As libpq has it: with an authority to trust, `require` checks against it.
  const effective = mode === "require" && rootCertificatePath !== undefined ? "verify-ca" : mode;
  return { mode: effective, rootCertificatePath, certificatePath, keyPath };
}

/**
 * As libpq has it, but for `require`: the driver silently falls back to other authentication if the server requests it.
 */
function readChannelBinding(value: string | undefined): boolean {
  if (value === undefined || value === "prefer") return true;
  if (value === "disable") return false;
  if (value === "require") {
    throw new UrlProblem(
      "has channel_binding=require, which the driver cannot enforce. Write channel_binding=prefer, which binds where the server supports it, and sslmode=verify-full, which verifies the server",
    );
  }
  throw new UrlProblem("has an unknown channel_binding. Write channel_binding=prefer or disable");
}

function checkSessionAttributes(value: string | undefined): void {
  if (value === undefined || value === "read-write" || value === "primary") return;
  throw new UrlProblem(
    "has target_session_attrs, which can only be read-write or primary: sessions live on the primary",
  );
}

function isLocal(host: string): boolean {
  return isSocketDirectory(host) || host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function shownHost({ host, port }: PostgresTarget["hosts"][number]): string {
  if (isSocketDirectory(host)) return encodeURIComponent(host);
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UrlProblem("has a % that does not begin an escape. Write a literal % as %25");
  }
}
