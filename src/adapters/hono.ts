import type { IncomingMessage } from "node:http";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { isLatchkeyError } from "../errors.ts";
import type { BodyCredentials } from "../http/authenticate.ts";
import { type CarriedCookies, carryingCookies, settingCookies } from "../http/cookies/carried-cookies.ts";
import { setCookiesOf } from "../http/cookies/cookie-endings.ts";
import type { Guard, OptionalAdmission } from "../http/guard/guard.ts";
import type { Handler } from "../http/handler.ts";
import { ownedPaths } from "../http/owned-paths.ts";
import { aFunction } from "../option-rules.ts";
import { adapterOptions } from "./adapter-options.ts";
import { bodyCredentials, isFormType, unparsed } from "./parsed-body.ts";
import { replaceCookies } from "./renewed-cookies.ts";

/** The options of the Hono adapter. */
export interface HonoOptions {
  /** The client's address. Default: the peer's under `@hono/node-server`, unknown elsewhere. */
  readonly ip?: ((c: Context) => string | null | undefined) | undefined;
}

/** The options of a guard in Hono. */
export interface GuardedOptions extends HonoOptions {
  /** What the guard's policies are asked about. */
  readonly resource?: ((c: Context) => unknown) | undefined;
}

/** What a guard sets in `c.var` for the handlers after it. */
export interface GuardedEnv<Admitted extends OptionalAdmission> {
  readonly Variables: { auth: Admitted["auth"]; user: Admitted["user"] };
}

const honoOptions = adapterOptions<HonoOptions>("latchkey", { ip: aFunction });
const guardedOptions = adapterOptions<GuardedOptions>("guarded", { ip: aFunction, resource: aFunction });

const peer = (c: Context): string | undefined => c.env?.incoming?.socket?.remoteAddress;

/**
 * Every route of the handler, for `app.route("/", latchkey(handler))` or under any other path. All other paths remain
 * the application's, and so does a route that the application has declared before.
 * @example
 * ```ts
 * import { Hono } from "hono";
 * import { createHandler } from "latchkey";
 * import { latchkey } from "latchkey/hono";
 *
 * const app = new Hono().route("/", latchkey(createHandler(issuer)));
 * ```
 */
export function latchkey(handler: Handler, options: HonoOptions = {}): Hono {
  const { ip = peer } = honoOptions(options);
  const app = new Hono();
  for (const path of ownedPaths) {
    app.all(path, async (c) => handler.fetch(await withoutMountPath(c, path), { remoteAddress: ip(c) }));
  }
  return app;
}

/** The request as the handler knows its paths, and with its body if other code has already read it. */
async function withoutMountPath(c: Context, path: string): Promise<Request> {
  const { raw } = c.req;
  const url = new URL(raw.url);
  const segments = path.split("/").length - 1;
  const pathname = `/${url.pathname.split("/").slice(-segments).join("/")}`;
  if (pathname === url.pathname && !raw.bodyUsed) return raw;
  url.pathname = pathname;
  if (!raw.bodyUsed || !hasReadBody(c)) return copied(raw, url.href, raw.headers, raw.body);
  const contentType = raw.headers.get("content-type") ?? undefined;
  const body = isFormType(contentType) ? await c.req.parseBody() : await c.req.text();
  return copied(raw, url.href, raw.headers, new Uint8Array(unparsed(contentType, body)));
}

/**
 * A guard as middleware, which sets `auth` and `user` in `c.var`. It answers refused requests itself; only errors that
 * are not refusals, such as a `loadUser` that threw, go to `app.onError`. Tokens in a body count if a validator before
 * the guard has read the body.
 * @example
 * ```ts
 * import { Hono } from "hono";
 * import { createGuard } from "latchkey";
 * import { guarded } from "latchkey/hono";
 *
 * const app = new Hono().get("/orders", guarded(createGuard(issuer)), (c) => c.json({ of: c.var.auth.sub }));
 * ```
 */
export function guarded<Admitted extends OptionalAdmission>(
  guard: Guard<Admitted>,
  options: GuardedOptions = {},
): MiddlewareHandler<GuardedEnv<Admitted>> {
  const { ip = peer, resource } = guardedOptions(options);
  return async (c, next) => {
    let admission: Admitted;
    try {
      const sent = hasReadBody(c) ? await readCredentials(c) : {};
      admission =
        guard.admitAtOnce(c.req.raw, sent) ??
        (await guard.admit(c.req.raw, { ip: ip(c), resource: resource && (await resource(c)), ...sent }));
    } catch (error) {
      if (isLatchkeyError(error)) return guard.refuse(error);
      for (const value of setCookiesOf(error)) c.header("set-cookie", value, { append: true });
      throw error;
    }
    const { auth, user, setCookies, setCookiesOnError } = admission;
    c.set("auth", auth);
    c.set("user", user);
    c.req.raw = carryingCookies(c.req.raw, admission, (raw, headers) =>
      copied(raw, raw.url, headers, raw.bodyUsed ? null : raw.body),
    );
    if (setCookies.length > 0) replaceInMessage(c, admission);
    await next();
    const due = setCookies.length > 0 && c.res.status >= 400 ? setCookiesOnError : setCookies;
    if (due.length > 0) replaceAnswer(c, settingCookies(c.res, due));
    return undefined;
  };
}

async function readCredentials(c: Context): Promise<BodyCredentials> {
  const contentType = c.req.header("content-type");
  // A body that is not JSON contains no token, and is for the validator to refuse.
  const body = isFormType(contentType) ? await c.req.parseBody() : await c.req.json().catch(() => undefined);
  return bodyCredentials(contentType, { body });
}

function hasReadBody(c: Context): boolean {
  return Object.keys(c.req.bodyCache).length > 0;
}

/** Without the headers of the previous response, which Hono would write over these. */
function replaceAnswer(c: Context, answer: Response): void {
  c.res = undefined;
  c.res = answer;
}

/** Under `@hono/node-server` a handler may look at the message as well. */
function replaceInMessage(c: Context, carried: CarriedCookies): void {
  const message: unknown = c.env?.incoming;
  if (typeof message === "object" && message !== null && "rawHeaders" in message && "headers" in message) {
    replaceCookies(message as IncomingMessage, carried);
  }
}

/**
 * Copied part by part, since not every server's request can be copied whole; those of @hono/node-server only look like
 * a `Request`.
 */
function copied(raw: Request, url: string, headers: Headers, body: BodyInit | null): Request {
  const hasBody = body !== null && raw.method !== "GET" && raw.method !== "HEAD";
  return new Request(url, {
    method: raw.method,
    headers,
    signal: raw.signal,
    ...(hasBody && { body, duplex: "half" }),
  });
}
