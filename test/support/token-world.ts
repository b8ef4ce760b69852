import type { Endpoint } from "../../src/http/endpoint.ts";
import { CookieJar } from "./cookie-jar.ts";
import { createProofKey, presented, proofBy } from "./dpop-proofs.ts";
import { newPath } from "./places.ts";
import { contentTypeOf, encode, methodOf, pathOf, type RouteWithBody, shapedBody } from "./route-table.ts";
import { createTestBed, ISSUER, PASSWORD, type Reply, reply, SECRET, type TestBed } from "./test-bed.ts";

/** What stands in `Authorization`, and what a route that takes a person's access token says to it; `null` where it lets it in. */
export interface Kind {
  readonly authorization: string | undefined;
  readonly refusedWith: string | null;
  readonly roles?: readonly string[];
  /** The scheme that the refusal asks for. Default: Bearer. */
  readonly challenge?: "DPoP";
}

export interface World extends TestBed {
  readonly path: string;
  readonly kinds: Readonly<Record<string, Kind>>;
  /** Sends a body of the right shape wherever the route needs one. */
  ask(route: Endpoint, authorization: string | undefined, headers?: Readonly<Record<string, string>>): Promise<Reply>;
  /** Logs in with cookies; each time a session of its own. */
  signIn(username: "ada" | "root"): Promise<CookieJar>;
}

/** One of every kind of token that there is, of live users on a live server. */
export async function setUp(): Promise<World> {
  const path = newPath();
  const bed = await createTestBed({ path, registration: "open" });
  const create = (username: string, roles: readonly string[]) =>
    bed.issuer.users.create({ username, password: PASSWORD, roles });
  const [user, admin, disabled] = [
    await create("ada", ["editor", "administrator", "admin:read"]),
    await create("root", ["admin"]),
    await create("grace", ["admin"]),
  ];
  const issue = async (subject: string, from = bed) => {
    const pair = await from.issuer.issue({ subject });
    return { access: `Bearer ${pair.accessToken}`, refresh: `Bearer ${pair.refreshToken}`, ...pair };
  };

  const worker = await bed.issuer.clients.create({ name: "worker", scope: "orders:read" });
  const stopped = await bed.issuer.clients.create({ name: "stopped", scope: "orders:read" });
  const ownTokenOf = async ({ client }: typeof worker) =>
    `Bearer ${(await bed.issuer.clients.issueToken(client)).accessToken}`;

  const expired = await issue(admin.id);
  const expiredOwn = await ownTokenOf(worker);
  bed.clock.advanceSeconds(906);
  const revoked = await issue(admin.id);
  await bed.issuer.sessions.revoke(revoked.sessionId);
  const loggedOut = await issue(admin.id);
  await bed.issuer.logout(loggedOut.refreshToken);
  const ofDisabled = await issue(disabled.id);
  await bed.issuer.users.disable("grace");
  const ofStopped = await ownTokenOf(stopped);
  await bed.issuer.clients.disable(stopped.client.id);

  // These three share this server's database and its keys, and differ in one thing each.
  const otherIssuer = await createTestBed({ path, issuer: "http://127.0.0.1:4001" }, {}, bed.clock);
  const otherAudience = await createTestBed({ path, audience: "https://api.example.com" }, {}, bed.clock);
  const otherSecret = await createTestBed({ secret: `${SECRET}x` }, {}, bed.clock);
  const stranger = await otherSecret.issuer.users.create({ username: "root", password: PASSWORD, roles: ["admin"] });
  const foreign = await issue(stranger.id, otherSecret);

  const live = { user: await issue(user.id), admin: await issue(admin.id) };
  const dpop = presented(await proofBy(await createProofKey(), bed.clock));
  const bound = await bed.issuer.issue({ subject: admin.id, dpop });
  const kinds: Record<string, Kind> = {
    "no token": { authorization: undefined, refusedWith: "missing_token" },
    "another scheme": { authorization: "Basic cm9vdDpyb290", refusedWith: "missing_token" },
    "an empty bearer token": { authorization: "Bearer ", refusedWith: "invalid_access_token" },
    garbage: { authorization: "Bearer null", refusedWith: "invalid_access_token" },
    "two tokens": { authorization: `${live.admin.access}, ${live.admin.access}`, refusedWith: "invalid_access_token" },
    "a refresh token": { authorization: live.admin.refresh, refusedWith: "wrong_token_type" },
    "an expired access token": { authorization: expired.access, refusedWith: "access_token_expired" },
    "another issuer's": {
      authorization: (await issue(admin.id, otherIssuer)).access,
      refusedWith: "invalid_access_token",
    },
    "another audience's": {
      authorization: (await issue(admin.id, otherAudience)).access,
      refusedWith: "invalid_access_token",
    },
    "one of another secret": { authorization: foreign.access, refusedWith: "invalid_access_token" },
    "a refresh token of another secret": { authorization: foreign.refresh, refusedWith: "wrong_token_type" },
    "a revoked session's": { authorization: revoked.access, refusedWith: "session_revoked" },
    "a logged-out session's": { authorization: loggedOut.access, refusedWith: "session_revoked" },
    "a disabled user's": { authorization: ofDisabled.access, refusedWith: "session_revoked" },
    "a client's own access token": { authorization: await ownTokenOf(worker), refusedWith: "wrong_token_type" },
    "a client's expired access token": { authorization: expiredOwn, refusedWith: "access_token_expired" },
    "a disabled client's access token": { authorization: ofStopped, refusedWith: "invalid_access_token" },
    "one that is bound to a key, as a bearer token": {
      authorization: `Bearer ${bound.accessToken}`,
      refusedWith: "invalid_access_token",
      challenge: "DPoP",
    },
    "one that is bound to no key, under the DPoP scheme": {
      authorization: `DPoP ${(await issue(admin.id)).accessToken}`,
      refusedWith: "invalid_access_token",
      challenge: "DPoP",
    },
    "a user's access token": { authorization: live.user.access, refusedWith: null, roles: ["editor"] },
    "an administrator's access token": { authorization: live.admin.access, refusedWith: null, roles: ["admin"] },
  };

  let asked = 0;
  return {
    ...bed,
    path,
    kinds,
    async ask(route, authorization, headers = {}) {
      const body =
        route.body?.optional !== undefined || route.body === undefined
          ? undefined
          : encode(route as RouteWithBody, shapedBody(route as RouteWithBody));
      const request = new Request(ISSUER + pathOf(route), {
        method: methodOf(route),
        headers: {
          "x-request-id": "the-same-for-all",
          ...(body !== undefined && { "content-type": contentTypeOf(route as RouteWithBody) }),
          ...(authorization !== undefined && { authorization }),
          ...headers,
        },
        ...(body !== undefined && { body }),
      });
      // From an address of its own, so that nothing here is refused for its number.
      return reply(await bed.handler.fetch(request, { remoteAddress: `10.0.${asked >> 8}.${asked++ & 255}` }));
    },
    async signIn(username) {
      const json = { username, password: PASSWORD, transport: "cookie" };
      const { status, headers } = await bed.call("POST", "/auth/login", { json });
      if (status !== 200) throw new Error(`The login answered ${status}.`);
      return new CookieJar().take(headers);
    },
  };
}

/** What a token can be refused with, here or there. */
export const tokenCodes = [
  "missing_token",
  "invalid_access_token",
  "access_token_expired",
  "wrong_token_type",
  "session_revoked",
  "insufficient_role",
  "insufficient_scope",
];
