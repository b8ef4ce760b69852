import type { IncomingMessage, ServerResponse } from "node:http";
import { type CarriedCookies, letsCache, missingCookies } from "../http/cookies/carried-cookies.ts";
import { setCookiesOf } from "../http/cookies/cookie-endings.ts";

/** The cookies that a response must carry, by its outcome; the last guard that has any decides. */
type PendingCookies = Pick<CarriedCookies, "setCookies" | "setCookiesOnError">;
const pending = new WeakMap<ServerResponse, PendingCookies>();

/**
 * Puts a guard's cookies where they belong: into the response, and those of an implicit refresh into the request too.
 * @param request the request, in which a cookie parser may have left the old cookies.
 */
export function carryCookies(
  message: IncomingMessage,
  response: ServerResponse,
  carried: CarriedCookies,
  request: { readonly cookies?: unknown } = {},
): void {
  if (carried.setCookies.length === 0) return;
  setWithHead(response, carried);
  replaceCookies(message, carried, request.cookies);
}

/** Adds the cookies to the response for what a guard threw, in every framework. */
export function carryCookiesOf(error: unknown, response: ServerResponse): void {
  const setCookies = setCookiesOf(error);
  if (setCookies.length > 0) setWithHead(response, { setCookies, setCookiesOnError: setCookies });
}

/** Puts the new cookies into every part of the request that contains the old ones, each in its place. */
export function replaceCookies(
  { headers, headersDistinct, rawHeaders }: IncomingMessage,
  { setCookies, cookieHeader }: CarriedCookies,
  parsed?: unknown,
): void {
  if (cookieHeader === null || headers.cookie === cookieHeader) return;
  headers.cookie = cookieHeader;
  // HTTP/2 has none.
  if (headersDistinct?.cookie !== undefined) headersDistinct.cookie = [cookieHeader];
  const fields = inPairs(rawHeaders);
  const isCookie = ([name]: Field) => name.toLowerCase() === "cookie";
  const first = fields.findIndex(isCookie);
  const replaced = fields.flatMap((field, index) =>
    index === first ? [field[0], cookieHeader] : isCookie(field) ? [] : field,
  );
  // In place: in HTTP/2 it cannot be replaced.
  rawHeaders.splice(0, Number.POSITIVE_INFINITY, ...(replaced as string[]));
  if (typeof parsed !== "object" || parsed === null) return;
  for (const [name, value] of setCookies.map(nameAndValue)) Reflect.set(parsed, name, value);
}

/** The response is only certain when its head is written, and every framework writes it with `writeHead`. */
function setWithHead(response: ServerResponse, cookies: PendingCookies): void {
  const isFirst = !pending.has(response);
  pending.set(response, cookies);
  if (!isFirst) return;
  const { writeHead } = response;
  response.writeHead = ((status: number, ...rest: unknown[]) => {
    const { setCookies, setCookiesOnError } = pending.get(response)!;
    const due = status < 400 ? setCookies : setCookiesOnError;
    return Reflect.apply(writeHead, response, [status, ...(due.length > 0 ? withCookies(response, rest, due) : rest)]);
  }) as typeof writeHead;
}

/**
 * The further arguments of `writeHead`. Fields among them replace those set before, so Latchkey's cookies are added
 * after theirs.
 */
function withCookies(response: ServerResponse, rest: readonly unknown[], setCookies: readonly string[]): unknown[] {
  const reason = rest.filter((part) => typeof part === "string");
  const fields = fieldsOf(rest.find((part) => typeof part === "object" && part !== null));
  const isSetCookie = ([name]: Field) => name.toLowerCase() === "set-cookie";
  const given = fields.filter(isSetCookie).flatMap(([, value]) => value);
  const before = (given.length > 0 ? given : [response.getHeader("set-cookie") ?? []].flat()).map(String);
  response.setHeader("Set-Cookie", [...before, ...missingCookies(before, setCookies)]);
  for (const name of response.getHeaderNames()) if (letsCache(name)) response.removeHeader(name);
  response.setHeader("Cache-Control", "no-store");
  return [...reason, gathered(fields.filter((field) => !isSetCookie(field) && !letsCache(field[0])))];
}

type Field = readonly [name: string, value: unknown];

/** `writeHead` accepts an object, a flat list, or a list of pairs. */
function fieldsOf(given: unknown): readonly Field[] {
  if (!Array.isArray(given)) return Object.entries(given ?? {});
  return Array.isArray(given[0]) ? given : inPairs(given);
}

function inPairs<Value>(flat: readonly (string | Value)[]): [name: string, value: string | Value][] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [[String(name), flat[index + 1]!]] : []));
}

/** One value or list for each name, compared without case: set one by one, the last would replace the others. */
function gathered(fields: readonly Field[]): Record<string, unknown> {
  const spelt = new Map<string, string>();
  const record: Record<string, unknown> = {};
  for (const [name, value] of fields) {
    const key = spelt.get(name.toLowerCase()) ?? name;
    record[key] = spelt.has(name.toLowerCase()) ? [record[key], value].flat() : value;
    spelt.set(name.toLowerCase(), key);
  }
  return record;
}

function nameAndValue(setCookie: string): readonly [name: string, value: string] {
  const pair = setCookie.slice(0, setCookie.indexOf(";"));
  return [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
}
