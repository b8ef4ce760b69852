import { gzipSync } from "node:zlib";
import { type Endpoint, takesAccessToken, takesCookies } from "../../src/http/endpoint.ts";
import { routes } from "../../src/http/routes.ts";
import type { CookieJar } from "../support/cookie-jar.ts";
import {
  acceptedBy,
  CANARY,
  contentTypeOf,
  fieldsOf,
  isRequired,
  jsonValues,
  methodOf,
  type RouteWithBody,
} from "../support/route-table.ts";
import { type Below, pick } from "../support/seeded-random.ts";
import { ISSUER, PASSWORD } from "../support/test-bed.ts";

/** What a random request may be made with. Whoever sends it puts in what the answers give. */
export interface Known {
  readonly accessTokens: string[];
  readonly refreshTokens: string[];
  readonly sessionIds: string[];
  readonly usernames: readonly string[];
  readonly setupToken: string;
  /** The cookies of sessions. */
  readonly jars: CookieJar[];
  /** A confidential client. */
  readonly client: { readonly id: string; readonly secret: string };
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "BREW", "post", "x"];
const WEIRD_TEXTS = [
  "",
  " ",
  "\0",
  "\ud800",
  "\u202e",
  "é".repeat(200),
  "😀".repeat(64),
  "x".repeat(300),
  "x".repeat(9000),
  "' OR 1=1 --",
  "../../etc/passwd",
  "__proto__",
  "constructor",
  "null",
  "<script>alert(1)</script>",
  "{{7*7}}",
  "a\r\nSet-Cookie: x=1",
  "\u001b[31m",
  "1e309",
  "-1",
];

/** One request of any kind, mostly near to what a route takes: the farther away, the sooner it would be refused. */
export function randomRequest(below: Below, known: Known): Request {
  const route = pick(below, routes);
  const method = below(8) === 0 ? pick(below, METHODS) : methodOf(route);
  const hasBody = !["GET", "HEAD"].includes(method) && (route.body !== undefined || below(6) === 0);
  const headers = randomHeaders(below, route, known);
  const body = hasBody && below(15) > 0 ? randomBody(below, route, known) : undefined;
  return new Request(randomUrl(below, route, known), { method, headers, body, duplex: "half" } as RequestInit);
}

function randomUrl(below: Below, { path }: Endpoint, known: Known): string {
  const filled = path.replace(/\{\w+\}/g, () =>
    encodeURIComponent(
      pick(below, [
        ...known.sessionIds,
        "x",
        "A".repeat(22),
        ...WEIRD_TEXTS.filter((text) => !/\p{Surrogate}/u.test(text)),
      ]),
    ),
  );
  const variants = [
    () => filled.toUpperCase(),
    () => `${filled}/`,
    () => `/${filled}`,
    () => `/${filled.slice(1).replace(/\//g, "%2f")}`,
    () => `${filled}/..;/x`,
    () => filled.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
    () => filled.slice(0, below(filled.length) + 1),
    () => `${filled}%${pick(below, ["00", "0a", "ff", "", "zz", "c3%28", "25"])}`,
    () =>
      `/${Array.from({ length: below(5) }, () => pick(below, ["auth", "admin", "..", ".", "%2e", "docs", "*", ":id"])).join("/")}`,
    () => `/${"a".repeat(below(5000))}`,
  ];
  const chosen = below(10) === 0 ? pick(below, variants)() : filled;
  const queries = [
    `access_token=${pick(below, known.accessTokens)}`,
    `x=${pick(below, known.refreshTokens)}`,
    "refresh_token=x",
    "a=b&a=c&=&&&[]=1&__proto__[x]=1",
    `q=%${below(256).toString(16)}`,
    `_method=${pick(below, METHODS)}`,
    `after=${pick(below, ["0", "7", "-1", "999999999999999", "1e3", ""])}`,
    `limit=${pick(below, ["1", "1000", "0", "1001", "0x10"])}`,
    CANARY,
    "?".repeat(below(50)),
  ];
  return ISSUER + chosen + (below(12) === 0 ? `?${pick(below, queries)}` : "");
}

function randomHeaders(below: Below, route: Endpoint, known: Known): Headers {
  const headers = new Headers();
  const token = () =>
    pick(below, [
      pick(below, known.accessTokens),
      pick(below, known.accessTokens),
      pick(below, known.accessTokens),
      pick(below, known.refreshTokens),
      pick(below, known.refreshTokens).slice(0, below(80)),
      `${pick(below, known.accessTokens)}${pick(below, ["x", ".", "=", ","])}`,
      printable(below, 40),
      CANARY,
      "",
    ]);
  for (const [name, value] of randomCredentials(below, route, known, token)) headers.set(name, value);
  if (route.body !== undefined && below(15) > 0) headers.set("content-type", contentTypeOf(route as RouteWithBody));
  const extras: readonly (readonly [string, () => string])[] = [
    [
      "content-type",
      () =>
        pick(below, ["text/plain", "application/json; charset=utf-16", "multipart/form-data", printable(below, 30)]),
    ],
    ["content-length", () => pick(below, ["0", "1", "70000", "-1", "abc", "1e3", "18446744073709551616"])],
    ["content-encoding", () => pick(below, ["gzip", "identity", "br", printable(below, 8)])],
    ["transfer-encoding", () => pick(below, ["chunked", "gzip, chunked", printable(below, 8)])],
    [
      "origin",
      () => pick(below, ["https://app.example.com", "null", "https://evil.example.com", printable(below, 30)]),
    ],
    ["access-control-request-method", () => pick(below, METHODS)],
    ["x-request-id", () => printable(below, 80)],
    [
      "x-forwarded-for",
      () => pick(below, ["198.51.100.1", "a, b", "10.0.0.1, 2001:db8::1", "::", "fe80::1%eth0", printable(below, 40)]),
    ],
    ["cookie", () => `access_token=${token()}; ${printable(below, 40)}`],
    ["cookie", () => `latchkey-${pick(below, ["access", "refresh", "csrf"])}=${token()}`],
    ["x-csrf-token", () => pick(below, [pick(below, known.jars).get("csrf"), printable(below, 50), ""])],
    ["sec-fetch-site", () => pick(below, ["same-origin", "same-site", "cross-site", "none", printable(below, 9)])],
    ["dpop", () => pick(below, [token(), "eyJ0eXAiOiJkcG9wK2p3dCJ9.e30.AAAA", printable(below, 60), ""])],
    ["sec-latchkey-set-cookie", () => pick(below, ["separate", printable(below, 9)])],
    ["x-forwarded-method", () => pick(below, METHODS)],
    ["x-original-method", () => pick(below, METHODS)],
    ["last-event-id", () => pick(below, ["0", "3", "-1", "", "9".repeat(30)])],
    ["accept", () => "text/event-stream"],
    ["user-agent", () => printable(below, 400)],
    ["host", () => pick(below, ["evil.example.com", "127.0.0.1:4000", "a:b:c", printable(below, 20)])],
    ["x-http-method-override", () => pick(below, METHODS)],
    ["accept", () => pick(below, ["text/html", "application/xml", "*/*;q=0", printable(below, 20)])],
    ["range", () => "bytes=0-1"],
    ["if-none-match", () => "*"],
    ["expect", () => "100-continue"],
    ["upgrade", () => "websocket"],
    ["accept-encoding", () => "gzip"],
  ];
  for (let count = below(4); count > 0; count--) {
    const [name, value] = pick(below, extras);
    if (below(3) === 0) headers.append(name, value());
  }
  return headers;
}

/** Cookies, a client's credentials or a bearer token, mostly what the route takes, or nothing. */
function randomCredentials(
  below: Below,
  route: Endpoint,
  known: Known,
  token: () => string,
): readonly (readonly [name: string, value: string])[] {
  if (takesCookies(route) && below(3) === 0) return randomCookies(below, known);
  if (route.client !== undefined && below(3) > 0) {
    const secret = below(3) > 0 ? known.client.secret : CANARY;
    return [["authorization", `Basic ${Buffer.from(`${known.client.id}:${secret}`).toString("base64")}`]];
  }
  const wantsToken = takesAccessToken(route.access) || route.path === "/auth/refresh";
  if (below(wantsToken ? 8 : 3) <= (wantsToken ? 0 : 1)) return [];
  const scheme = below(12) === 0 ? pick(below, ["Basic", "bearer", "DPoP", "Token", "Bearer Bearer", ""]) : "Bearer";
  return [["authorization", `${scheme} ${token()}`]];
}

/** A session's cookies, mostly with its own CSRF token, and mostly whole. */
function randomCookies(below: Below, known: Known): readonly (readonly [name: string, value: string])[] {
  const jar = pick(below, known.jars).copy();
  const other = pick(below, known.jars);
  for (const kind of ["access", "refresh"]) {
    if (below(8) === 0) jar.drop(kind);
    else if (below(12) === 0) jar.set(kind, pick(below, [other.get("access"), other.get("refresh"), CANARY, ""]));
  }
  const proof = below(4) > 0 ? jar.get("csrf") : pick(below, [other.get("csrf"), CANARY, ""]);
  return [["cookie", jar.header().cookie], ...(below(5) > 0 ? [["x-csrf-token", proof] as const] : [])];
}

/** Characters that a header may hold. */
function printable(below: Below, most: number): string {
  return Array.from({ length: below(most) }, () =>
    String.fromCharCode(below(10) === 0 ? 0x80 + below(0x80) : 0x20 + below(0x5f)),
  ).join("");
}

function randomBody(below: Below, route: Endpoint, known: Known): BodyInit {
  if (route.body === undefined) return pick(below, ["{}", "x", "[]", "\0"]);
  const fields = randomFields(below, route as RouteWithBody, known);
  const text =
    route.body.format === "json"
      ? toJson(fields)
      : new URLSearchParams(fields.map(([name, value]) => [name, String(value)])).toString();
  const bytes = new TextEncoder().encode(text);
  switch (below(60)) {
    case 0:
      return bytes.slice(0, below(bytes.length + 1));
    case 1:
      return Uint8Array.from(bytes, (byte) => (below(20) === 0 ? below(256) : byte));
    case 2:
      return Uint8Array.from({ length: below(200) }, () => below(256));
    case 3:
      return new Uint8Array(gzipSync(bytes));
    case 4:
      return text + " ".repeat(below(70_000));
    case 5:
      return JSON.stringify(pick(below, [null, 1, [], [Object.fromEntries(fields)], "x", true]));
    case 6:
      return "[".repeat(below(65_536));
    case 7:
      return new ReadableStream({
        pull: (controller) =>
          below(4) === 0 ? controller.error(new Error("aborted")) : controller.enqueue(bytes.slice(0, 9)),
      });
    default:
      return bytes;
  }
}

type Field = readonly [name: string, value: unknown];

/** A name may stand twice, `__proto__` included. */
function toJson(fields: readonly Field[]): string {
  return `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`;
}

function randomFields(below: Below, route: RouteWithBody, known: Known): Field[] {
  const fields = Object.entries(fieldsOf(route))
    .filter(([, field]) => isRequired(field) || below(3) === 0)
    .map(([name, field]): Field => [name, likely(below, name, known) ?? acceptedBy(field)]);
  if (below(3) > 0) return fields;
  for (let count = 1 + below(2); count > 0; count--) {
    const at = below(fields.length + 1);
    const [name] = fields[at] ?? [
      pick(below, ["role", "id", "__proto__", "toString", printable(below, 40), `${CANARY} `]),
    ];
    const value = pick(below, [...jsonValues, ...WEIRD_TEXTS, below(1e9), -0.5]);
    if (below(4) === 0) fields.splice(at, 1);
    else if (below(2) === 0) fields[at] = [name, value];
    else fields.push([name, value]);
  }
  return fields;
}

/** What a field of that name would hold when somebody means it. */
function likely(below: Below, name: string, known: Known): unknown {
  switch (name) {
    case "username":
      return below(3) === 0 ? `new-${below(1000)}` : pick(below, known.usernames);
    case "password":
    case "current_password":
    case "new_password":
      // Right ones are rare, since each costs a hash; this one is too long to come that far.
      return below(5) === 0 ? pick(below, [PASSWORD, PASSWORD, CANARY.repeat(2)]) : CANARY.repeat(100);
    case "device":
      return pick(below, ["Ada's phone", "x".repeat(129), "a\nb", "😀", "\ud800"]);
    case "refresh_token":
      return pick(below, below(3) === 0 ? known.accessTokens : known.refreshTokens);
    case "access_token":
      return pick(below, known.accessTokens);
    case "setup_token":
      return below(50) === 0 ? known.setupToken : CANARY;
    case "grant_type":
      return pick(below, ["refresh_token", "client_credentials", "refresh_token", "password", ""]);
    case "token":
      return pick(below, below(2) === 0 ? known.accessTokens : known.refreshTokens);
    case "transport":
      return pick(below, ["body", "cookie", CANARY]);
    case "scope":
      return pick(below, ["", "", "revocations:read", CANARY]);
    case "client_id":
      return pick(below, ["", "", "first-party", known.client.id, CANARY]);
    case "client_secret":
      return pick(below, ["", "", known.client.secret, CANARY]);
    default:
      return undefined;
  }
}
