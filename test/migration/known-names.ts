import * as express from "../../src/adapters/express.ts";
import * as node from "../../src/adapters/node.ts";
import { issuerOptions as issuerOptionSet } from "../../src/engine/options.ts";
import type { CookieOptions, Guard, GuardOptions, HandlerOptions, Issuer, Sessions, Users } from "../../src/index.ts";
import * as latchkey from "../../src/index.ts";
import { settings } from "../../src/server/settings/settings.ts";
import * as verify from "../../src/verify/verifier.ts";
import { createTestBed } from "../support/test-bed.ts";

/** What stands in backticks in a cell of a table. */
export function inBackticks(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
}

const issuerOptions = Object.fromEntries(issuerOptionSet.names.map((name) => [name, true]));
const cookieOptions: Record<keyof CookieOptions, true> = { name: true, sameSite: true };
const guardOptions = {
  locations: true,
  optional: true,
  freshForSeconds: true,
  role: true,
  scope: true,
  policy: true,
  action: true,
  isRevoked: true,
  loadUser: true,
  implicitRefresh: true,
} satisfies Partial<Record<keyof GuardOptions<unknown>, true>>;
const guardMethods = { admit: true, protect: true } satisfies Partial<Record<keyof Guard, true>>;
const handlerOptions = { allowedOrigins: true } satisfies Partial<Record<keyof HandlerOptions, true>>;
const userMethods = {
  "users.register": true,
  "users.changePassword": true,
} satisfies Partial<Record<`users.${keyof Users}`, true>>;
const issuerMethods = {
  issue: true,
  login: true,
  refresh: true,
  verify: true,
  reauthenticate: true,
  logout: true,
  logoutAll: true,
  csrfToken: true,
} satisfies Partial<Record<keyof Issuer, true>>;
const sessionMethods = {
  "sessions.list": true,
  "sessions.revoke": true,
  "sessions.adopt": true,
} satisfies Partial<Record<`sessions.${keyof Sessions}`, true>>;
const issueRequest = { subject: true, claims: true } satisfies Partial<Record<keyof latchkey.IssueRequest, true>>;
const verifierOptions = { algorithms: true } satisfies Partial<Record<keyof verify.VerifierOptions, true>>;

const names = new Set([
  ...[issuerOptions, cookieOptions, guardOptions, guardMethods, handlerOptions, issuerMethods].flatMap(Object.keys),
  ...[issueRequest, verifierOptions, userMethods, sessionMethods, settings, latchkey, express, node, verify].flatMap(
    Object.keys,
  ),
]);
/** What is no name of the library's but stands on the wire, or is somebody else's. */
const others = new Set([
  ...["ES256", "iat", "sub", "auth.sub", "auth.jti", "none", "access_token", "refresh_token", "csrf_token"],
  ...["{error, error_description}", "X-CSRF-Token", "Authorization: Bearer", "admin:*", "/", '"transport": "cookie"'],
  ...["__Host-NAME-access", "__Host-NAME-refresh", "__Host-NAME-csrf", "__Host-", "request.auth", "latchkey/node"],
  ...["jwt_required(optional=True)", "npx --no latchkey secret"],
]);

/** Which of the names on Latchkey's side of a table are neither an option, a method, an export, a setting nor a route. */
export async function unknownNames(ours: readonly string[]): Promise<readonly string[]> {
  const { call } = await createTestBed();
  const routes = Object.keys((await call("GET", "/openapi.json")).body.paths);
  return ours
    .map((name) => (others.has(name) ? name : name.replace(/^issuer\./, "").replace(/\(.*/, "")))
    .filter((name) => !names.has(name) && !others.has(name))
    .filter((name) => !routes.includes(name.replace(/^(GET|POST|DELETE) /, "")));
}
