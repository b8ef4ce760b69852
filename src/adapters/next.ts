import { cookies, headers } from "next/headers.js";
import { NextRequest, NextResponse } from "next/server.js";
import { isLatchkeyError, type LatchkeyError } from "../errors.ts";
import { addCookies, asUsed, type CarriedCookies, carryingCookies } from "../http/cookies/carried-cookies.ts";
import { setCookiesOf } from "../http/cookies/cookie-endings.ts";
import { withCookiesFirst, withoutCookies } from "../http/cookies/cookie-header.ts";
import type { Guard, OptionalAdmission } from "../http/guard/guard.ts";
import type { Handler } from "../http/handler.ts";
import { isOwnedPath } from "../http/owned-paths.ts";
import { aFunction } from "../option-rules.ts";
import { adapterOptions, anything } from "./adapter-options.ts";

/**
 * A value, or a function that returns it once a request has arrived: `next build` loads every module, and this way it
 * opens no database.
 */
export type Lazy<Value extends object> = Value | (() => Value | Promise<Value>);

/** The options of every function of the Next.js adapter. */
export interface NextOptions {
  /**
   * The client's address, from a header that your own reverse proxy sets. Default: unknown, for Next.js does not
   * provide it.
   */
  readonly ip?: ((headers: Headers) => string | null | undefined) | undefined;
}

/** The options of a guard in a route handler. */
export interface GuardedOptions<Context> extends NextOptions {
  /** What the guard's policies are asked about. */
  readonly resource?: ((request: NextRequest, context: Context) => unknown) | undefined;
}

/** The options of a guard in a page or a Server Action. */
export interface AdmitOptions<Else> extends NextOptions {
  /** What the guard's policies are asked about. */
  readonly resource?: unknown;
  /** Returns the response for a guard's 401 or 403, or redirects. Default: the refusal is thrown. */
  readonly otherwise?: ((refusal: LatchkeyError) => Else | Promise<Else>) | undefined;
}

/** A request behind a guard. */
export type GuardedNextRequest<Admitted extends OptionalAdmission> = NextRequest & { readonly auth: Admitted["auth"] };

const nextOptions = adapterOptions<NextOptions>("latchkey", { ip: aFunction });
const guardedOptions = adapterOptions<GuardedOptions<never>>("guarded", { ip: aFunction, resource: aFunction });
const admitOptions = adapterOptions<AdmitOptions<unknown>>("admitPage", {
  ip: aFunction,
  resource: anything,
  otherwise: aFunction,
});

type Route<Context> = (request: NextRequest, context: Context) => Promise<Response>;
type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";

/**
 * One value for the whole process, created when it is first needed. Next.js bundles the proxy, pages and route handlers
 * separately and reloads modules while you edit: a module variable would exist several times. A failure is not kept.
 * @example
 * ```ts
 * import { createGuard } from "latchkey";
 * import { shared } from "latchkey/next";
 *
 * export const guard = shared("guard", async () => createGuard(issuer));
 * ```
 */
export function shared<Value>(name: string, create: () => Promise<Value>): () => Promise<Value> {
  const key = Symbol.for(`latchkey.shared.${name}`);
  const kept = globalThis as { [key]?: Promise<Value> | undefined };
  return () => {
    kept[key] ??= create().catch((error: unknown) => {
      kept[key] = undefined;
      throw error;
    });
    return kept[key];
  };
}

/**
 * The handler as the exports of a catch-all route, such as `app/auth/[...path]/route.ts`. It works under any folder,
 * and answers the paths that the route file catches.
 * @example
 * ```ts
 * import { createHandler } from "latchkey";
 * import { latchkey } from "latchkey/next";
 *
 * export const { GET, POST, DELETE } = latchkey(createHandler(issuer));
 * ```
 */
export function latchkey(handler: Lazy<Handler>, options: NextOptions = {}): Readonly<Record<Method, Route<unknown>>> {
  const { ip } = nextOptions(options);
  const route: Route<unknown> = async (request) => {
    const remoteAddress = ip?.(request.headers);
    const url = new URL(request.url);
    const pathname = ownedPart(url.pathname) ?? url.pathname;
    if (pathname === url.pathname) return (await resolve(handler)).fetch(request, { remoteAddress });
    url.pathname = pathname;
    return (await resolve(handler)).fetch(copied(request, url, request.headers), { remoteAddress });
  };
  return { GET: route, HEAD: route, POST: route, PUT: route, PATCH: route, DELETE: route, OPTIONS: route };
}

/**
 * Guards a route handler: `export const GET = guarded(guard, (request) => …)`. It gets `request.auth`, and the whole
 * admission as its third argument. It answers refused requests itself. After an implicit refresh the new cookies are in
 * `request`, and are sent with the response unless that is an error.
 * @example
 * ```ts
 * import { createGuard } from "latchkey";
 * import { guarded } from "latchkey/next";
 *
 * export const GET = guarded(createGuard(issuer), (request) => Response.json({ of: request.auth.sub }));
 * ```
 */
export function guarded<Admitted extends OptionalAdmission, Context = unknown>(
  guard: Lazy<Guard<Admitted>>,
  handler: (
    request: GuardedNextRequest<Admitted>,
    context: Context,
    admission: Admitted,
  ) => Response | Promise<Response>,
  options: GuardedOptions<Context> = {},
): Route<Context> {
  const { ip, resource } = guardedOptions(options);
  return async (request, context) => {
    const known = { ip: ip?.(request.headers), resource: await resource?.(request, context) };
    const { admit, refuse } = await resolve(guard);
    let admission: Admitted;
    try {
      admission = await admit(request, known);
    } catch (error) {
      if (isLatchkeyError(error)) return refuse(error);
      throw error;
    }
    const seen = Object.assign(withNewCookies(request, admission), { auth: admission.auth });
    try {
      return answering(await handler(seen, context, admission), admission);
    } catch (error) {
      // Next.js creates the response to `redirect()`, and adds the cookies that were set through its own API.
      if (isRedirect(error)) await settingCookies(admission);
      throw error;
    }
  };
}

/**
 * The implicit refresh of pages, which cannot set cookies themselves, as `proxy.ts`:
 * `export const proxy = renewed(guard)`. The rendered page sees the new cookies, and the browser receives them;
 * parallel requests share one rotation. It refuses no request: that is decided in the page, the action or the route
 * handler. The handler's own routes renew by themselves.
 * @param guard an optional guard.
 * @param next the application's own proxy, which passes on the request that it receives:
 *   `NextResponse.next({ request })`.
 * @example
 * ```ts
 * import { createGuard } from "latchkey";
 * import { renewed } from "latchkey/next";
 *
 * export const proxy = renewed(createGuard(issuer, { optional: true }));
 * ```
 */
export function renewed(
  guard: Lazy<Guard<OptionalAdmission>>,
  next: (request: NextRequest) => Response | Promise<Response> = (request) => NextResponse.next({ request }),
  options: NextOptions = {},
): (request: NextRequest) => Promise<Response> {
  const { ip } = nextOptions(options);
  return async (request) => {
    const { pathname } = request.nextUrl;
    // A request that is not authenticated by cookies has nothing to renew, and a DPoP proof is valid for one guard
    // only.
    const isByCookie = !request.headers.has("authorization") && !request.headers.has("dpop");
    if (!isByCookie || ownedPart(pathname)?.startsWith("/auth/") === true) return next(request);
    // Without the query: parameters of the application's own links must not prevent a session from being renewed.
    const asking = new Request(new URL(pathname, request.url), { method: request.method, headers: request.headers });
    const { admit } = await resolve(guard);
    const carried = await admit(asking, { ip: ip?.(request.headers) }).catch(ofRefusal);
    if (carried.setCookies.length === 0) return next(request);
    return answering(await next(withNewCookies(request, carried)), carried);
  };
}

/**
 * Asks a guard in a server component. It sets no cookies: {@link renewed} has done that before.
 * @throws LatchkeyError when the guard refuses, for `error.tsx`; with `otherwise` only errors other than 401 and 403.
 * @example
 * ```ts
 * import { createGuard } from "latchkey";
 * import { admitPage } from "latchkey/next";
 * import { redirect } from "next/navigation.js";
 *
 * export default async function Page() {
 *   const { auth } = await admitPage(createGuard(issuer), { otherwise: () => redirect("/sign-in") });
 *   return `Signed in as ${auth.sub}`;
 * }
 * ```
 */
export function admitPage<Admitted extends OptionalAdmission, Else = never>(
  guard: Lazy<Guard<Admitted>>,
  options: AdmitOptions<Else> = {},
): Promise<Admitted | Else> {
  return admitHere(guard, "GET", options).catch(standIn(options));
}

/**
 * Asks a guard in a Server Action, and sets the cookies of an implicit refresh.
 * @param form the submitted form, with the CSRF token in the field `csrf_token`.
 * @throws LatchkeyError as {@link admitPage} does.
 * @example
 * ```ts
 * import { createGuard } from "latchkey";
 * import { admitAction } from "latchkey/next";
 *
 * export async function order(form: FormData): Promise<void> {
 *   "use server";
 *   const { auth } = await admitAction(createGuard(issuer), form);
 *   console.log(`${auth.sub} orders ${form.get("item")}`);
 * }
 * ```
 */
export function admitAction<Admitted extends OptionalAdmission, Else = never>(
  guard: Lazy<Guard<Admitted>>,
  form: FormData,
  options: AdmitOptions<Else> = {},
): Promise<Admitted | Else> {
  const csrfToken = form.get("csrf_token");
  return admitHere(guard, "POST", options, typeof csrfToken === "string" ? csrfToken : undefined)
    .then(settingCookies)
    .catch(standIn(options));
}

/** Asks a guard about the current request, whose headers and cookies Next.js provides. */
async function admitHere<Admitted extends OptionalAdmission>(
  guard: Lazy<Guard<Admitted>>,
  method: "GET" | "POST",
  options: AdmitOptions<unknown>,
  csrfToken?: string,
): Promise<Admitted> {
  const { ip, resource } = admitOptions(options);
  const fields = new Headers(await headers());
  const sent = fields.get("cookie") ?? "";
  fields.set("cookie", withChanges(sent, (await cookies()).getAll()));
  const request = new Request("http://localhost/", { method, headers: fields });
  return (await resolve(guard)).admit(request, { ip: ip?.(fields), resource, csrfToken });
}

/** The `Cookie` header as it was sent, except for cookies that an action has changed or deleted since. */
function withChanges(sent: string, now: readonly { readonly name: string; readonly value: string }[]): string {
  const before = new NextRequest("http://localhost/", { headers: { cookie: sent } }).cookies;
  const changed = now.filter(({ name, value }) => before.get(name)?.value !== value);
  const kept = new Set(now.map(({ name }) => name));
  const deleted = before.getAll().filter(({ name }) => !kept.has(name));
  const pairs = changed.map(({ name, value }): [string, string] => [name, encodeURIComponent(value)]);
  return withCookiesFirst(
    withoutCookies(
      sent,
      deleted.map(({ name }) => name),
    ),
    pairs,
  );
}

async function settingCookies<Admitted extends OptionalAdmission>(admission: Admitted): Promise<Admitted> {
  const fields = admission.setCookies.map((value): [string, string] => ["set-cookie", value]);
  const jar = await cookies();
  for (const cookie of new NextResponse(null, { headers: fields }).cookies.getAll()) jar.set(cookie);
  return admission;
}

function standIn<Else>({ otherwise }: AdmitOptions<Else>): (error: unknown) => Else | Promise<Else> {
  return (error) => {
    const isRefusal = isLatchkeyError(error) && (error.status === 401 || error.status === 403);
    if (!isRefusal || otherwise === undefined) throw error;
    return otherwise(error);
  };
}

function resolve<Value extends object>(lazy: Lazy<Value>): Value | Promise<Value> {
  return typeof lazy === "function" ? lazy() : lazy;
}

/** The path as the handler knows it, without the folder and the `basePath` before it. */
function ownedPart(pathname: string): string | undefined {
  const segments = pathname.split("/");
  return segments.map((_, index) => `/${segments.slice(index + 1).join("/")}`).find(isOwnedPath);
}

/** With the cookies parsed again, because Next.js parses them only once per request. */
function withNewCookies(request: NextRequest, carried: CarriedCookies): NextRequest {
  const before = request.headers.get("cookie");
  const seen = carryingCookies(request, carried, (original, fields) => copied(original, original.url, fields));
  if (seen === request && request.headers.get("cookie") !== before) {
    const Jar = request.cookies.constructor as new (headers: Headers) => NextRequest["cookies"];
    Object.defineProperty(request, "cookies", { value: new Jar(request.headers), configurable: true });
  }
  return seen;
}

/**
 * Copied part by part: the object that Next.js passes to route handlers only looks like a request and cannot be copied
 * whole.
 */
function copied(request: NextRequest, url: string | URL, fields: Headers): NextRequest {
  const { method, signal, nextUrl, bodyUsed, body } = request;
  const copy = new NextRequest(url, {
    method,
    headers: fields,
    signal,
    nextConfig: { basePath: nextUrl.basePath },
    ...(bodyUsed ? { body: "" } : body !== null && { body, duplex: "half" }),
  });
  return asUsed(copy, bodyUsed);
}

/** A refusal is not a failure, and may delete cookies. */
function ofRefusal(error: unknown): CarriedCookies {
  if (!isLatchkeyError(error)) throw error;
  const setCookies = setCookiesOf(error);
  return { setCookies, setCookiesOnError: setCookies, cookieHeader: null };
}

function isRedirect(error: unknown): boolean {
  return String((error as { readonly digest?: unknown } | null)?.digest).startsWith("NEXT_REDIRECT;");
}

/** A copy that carries the cookies: the headers of a redirect are immutable, and no page cache may keep it. */
function answering(response: Response, { setCookies, setCookiesOnError }: CarriedCookies): NextResponse {
  const copy = new NextResponse(response.body, response);
  const due = copy.status < 400 ? setCookies : setCookiesOnError;
  if (due.length > 0) addCookies(copy.headers, due);
  return copy;
}
