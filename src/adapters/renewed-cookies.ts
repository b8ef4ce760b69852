import type { IncomingMessage, ServerResponse } from "node:http";
import type { OptionalAdmission } from "../http/guard.ts";

/**
 * Puts the cookies of an implicit refresh where they belong: into the answer, unless that turns out to be an error, and into the
 * request, for whoever renders with them.
 * @param parsedCookies what a cookie parser made of the old `Cookie` header, if one has been there before.
 */
export function carryCookies(
  message: IncomingMessage,
  response: ServerResponse,
  { setCookies, cookieHeader }: OptionalAdmission,
  parsedCookies?: unknown,
): void {
  if (setCookies.length === 0 || cookieHeader === null) return;
  message.headers.cookie = cookieHeader;
  const others = inPairs(message.rawHeaders).filter(([name]) => name.toLowerCase() !== "cookie");
  // In place: in HTTP/2 it cannot be replaced.
  message.rawHeaders.splice(0, Infinity, ...others.flat(), "Cookie", cookieHeader);
  if (typeof parsedCookies === "object" && parsedCookies !== null) {
    Object.assign(parsedCookies, Object.fromEntries(setCookies.map(nameAndValue)));
  }
  setUnlessError(response, setCookies);
}

/** Only when the head is written is it certain whether the answer is an error, and every framework writes it with `writeHead`. */
function setUnlessError(response: ServerResponse, setCookies: readonly string[]): void {
  const { writeHead } = response;
  response.writeHead = ((status: number, ...rest: unknown[]) => {
    return Reflect.apply(writeHead, response, [
      status,
      ...(status < 400 ? withCookies(response, rest, setCookies) : rest),
    ]);
  }) as typeof writeHead;
}

/** The further arguments of `writeHead`. Fields among them replace those set before, so it is their cookies that ours come after. */
function withCookies(response: ServerResponse, rest: readonly unknown[], setCookies: readonly string[]): unknown[] {
  const reason = rest.filter((part) => typeof part === "string");
  const fields = fieldsOf(rest.find((part) => typeof part === "object" && part !== null));
  const isSetCookie = ([name]: Field) => name.toLowerCase() === "set-cookie";
  const given = fields.filter(isSetCookie).flatMap(([, value]) => value);
  const before = given.length > 0 ? given : [response.getHeader("set-cookie") ?? []].flat();
  response.setHeader("Set-Cookie", [...before.map(String), ...setCookies]);
  return [...reason, gathered(fields.filter((field) => !isSetCookie(field)))];
}

type Field = readonly [name: string, value: unknown];

/** `writeHead` takes an object, a flat list, or a list of pairs. */
function fieldsOf(given: unknown): readonly Field[] {
  if (!Array.isArray(given)) return Object.entries(given ?? {});
  return Array.isArray(given[0]) ? given : inPairs(given);
}

function inPairs<Value>(flat: readonly (string | Value)[]): [name: string, value: string | Value][] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [[String(name), flat[index + 1]!]] : []));
}

function gathered(fields: readonly Field[]): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const [name, value] of fields) record[name] = name in record ? [record[name], value].flat() : value;
  return record;
}

function nameAndValue(setCookie: string): Field {
  const pair = setCookie.slice(0, setCookie.indexOf(";"));
  return [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
}
