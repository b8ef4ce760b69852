// No adapter: whatever is `Request → Response`. As SvelteKit calls a hook, a page's data and an endpoint, and as React Router
// (once Remix) calls a loader and an action. Neither is installed: at the end stands what calls them here.
import { serve } from "@hono/node-server";
import { type AnyAccessTokenClaims, createGuard, createHandler, createIssuer, isLatchkeyError } from "latchkey";
import { createSqliteStore } from "latchkey/sqlite";

// ── src/lib/server/latchkey.ts, app/latchkey.server.ts ──────────────────────────────────────────────────────────────────────
const port = Number(process.env.PORT ?? 4000);
const issuer = await createIssuer({
  issuer: `http://127.0.0.1:${port}`,
  secret: process.env.LATCHKEY_SECRET!, // npx --no latchkey secret
  store: await createSqliteStore("app.db"),
});
const handler = createHandler(issuer);
const signedIn = createGuard(issuer);
const editors = createGuard(issuer, { role: "editor" });
const visitors = createGuard(issuer, { optional: true });

const orders = new Map<string, string[]>();

// ── SvelteKit: src/hooks.server.ts ──────────────────────────────────────────────────────────────────────────────────────────
const handle: Handle = async ({ event, resolve }) => {
  const { request, url } = event;
  const ip = event.getClientAddress();
  if (url.pathname.startsWith("/auth/")) return handler.fetch(request, { remoteAddress: ip });

  const admission = await visitors.admit(request, { ip }).catch(asStranger);
  event.locals.auth = admission?.auth;
  if (admission === undefined || admission.setCookies.length === 0) return resolve(event);

  // Cookies were renewed or deleted: what comes after sees the new ones, and the browser is sent them. No cache may keep such an answer.
  const headers = new Headers(request.headers);
  headers.set("cookie", admission.cookieHeader ?? "");
  const response = await resolve({ ...event, request: new Request(request, { headers }) });
  const due = response.status < 400 ? admission.setCookies : admission.setCookiesOnError;
  for (const value of due) response.headers.append("set-cookie", value);
  if (due.length > 0) response.headers.set("cache-control", "no-store");
  return response;
};

/** Nobody is locked out of the pages for a session that has ended. Guarded routes refuse by themselves. */
function asStranger(error: unknown): undefined {
  if (!isLatchkeyError(error) || error.status >= 500) throw error;
}

// src/routes/+page.server.ts
const load = ({ locals: { auth } }: RequestEvent) =>
  auth?.sid === undefined ? undefined : { sub: auth.sub, csrfToken: issuer.csrfToken(auth.sid) };

// src/routes/reports/+server.ts
const GET = ({ request, getClientAddress }: RequestEvent) =>
  editors.protect((_, { auth }) => Response.json({ by: auth.sub }))(request, { ip: getClientAddress() });

// ── React Router: app/routes/orders.ts ──────────────────────────────────────────────────────────────────────────────────────
async function loader({ request }: LoaderArgs) {
  const { auth, setCookies } = await signedIn.admit(request).catch(throwRefusal);
  return Response.json({ of: auth.sub, orders: orders.get(auth.sub) ?? [] }, { headers: cookieFields(setCookies) });
}

async function action({ request }: LoaderArgs) {
  const form = await request.formData();
  const csrfToken = String(form.get("csrf_token") ?? "");
  const { auth, setCookies } = await signedIn.admit(request, { csrfToken }).catch(throwRefusal);
  orders.set(auth.sub, [...(orders.get(auth.sub) ?? []), String(form.get("item"))]);
  return new Response(null, { status: 303, headers: [["location", "/"], ...cookieFields(setCookies)] });
}

/** A response that is thrown goes to the browser or to the `ErrorBoundary`. */
function throwRefusal(error: unknown): never {
  throw signedIn.refuse(error);
}

function cookieFields(setCookies: readonly string[]): [string, string][] {
  const fields = setCookies.map((value): [string, string] => ["set-cookie", value]);
  return fields.length === 0 ? fields : [...fields, ["cache-control", "no-store"]];
}

// ── What the frameworks bring: their types, and whatever calls all this ─────────────────────────────────────────────────────
interface RequestEvent {
  readonly request: Request;
  readonly url: URL;
  readonly locals: { auth?: AnyAccessTokenClaims | undefined };
  getClientAddress(): string;
}
type Resolve = (event: RequestEvent) => Response | Promise<Response>;
type Handle = (input: { event: RequestEvent; resolve: Resolve }) => Promise<Response>;
interface LoaderArgs {
  readonly request: Request;
}

const resolve: Resolve = (event) => {
  if (event.url.pathname === "/reports") return GET(event);
  if (event.url.pathname !== "/") return new Response(null, { status: 404 });
  const data = load(event);
  const page =
    data === undefined
      ? "<p>Sign in first.</p>"
      : `<p>Hello, ${data.sub}!</p>
        <form method="post" action="/orders">
          <input name="item"> <input type="hidden" name="csrf_token" value="${data.csrfToken}"> <button>Order</button>
        </form>`;
  return new Response(page, { headers: { "content-type": "text/html" } });
};

serve({
  port,
  hostname: "127.0.0.1",
  async fetch(request, { incoming }) {
    const url = new URL(request.url);
    if (url.pathname === "/orders") {
      const route = request.method === "GET" ? loader : action;
      return route({ request }).catch((thrown) => (thrown instanceof Response ? thrown : Promise.reject(thrown)));
    }
    const getClientAddress = () => incoming.socket.remoteAddress ?? "";
    return handle({ event: { request, url, locals: {}, getClientAddress }, resolve });
  },
});
