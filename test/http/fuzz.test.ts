import type { z } from "@hono/zod-openapi";
import { expect, it } from "vitest";
import type { TokenPair } from "../../src/engine/token-pair.ts";
import { type ErrorCode, errorCatalogue } from "../../src/errors.ts";
import type { Endpoint } from "../../src/http/endpoint.ts";
import { routes } from "../../src/http/routes.ts";
import { CookieJar } from "../support/cookie-jar.ts";
import { report, seed, times } from "../support/long-run.ts";
import { CANARY, methodOf, nameOf } from "../support/route-table.ts";
import { pick, seededRandom } from "../support/seeded-random.ts";
import { createTestBed, PASSWORD, type Reply, reply, type TestBed } from "../support/test-bed.ts";
import { type Known, randomRequest } from "./random-requests.ts";

const requestCount = times({ short: 20_000, long: 1_000_000 });
const PARALLEL = 25;
const SWEPT_EVERY = PARALLEL * 200;

it(
  `${requestCount} random requests get no answer in the 500s, and none that its route does not document (seed ${seed})`,
  async () => {
    const began = performance.now();
    const below = seededRandom(seed);
    const failures: unknown[] = [];
    const bed = await createTestBed(
      { registration: "open" },
      {
        passwordGrant: true,
        allowedOrigins: ["https://app.example.com"],
        trustedProxies: ["10.0.0.0/8"],
        onError: (error) => failures.push(error),
      },
    );
    const setupToken = (await bed.issuer.users.inviteFirstAdmin())!;
    const subjects = [];
    for (const [username, roles] of [
      ["ada", []],
      ["grace", ["editor"]],
      ["root", ["admin"]],
    ] as const) {
      subjects.push((await bed.issuer.users.create({ username, password: PASSWORD, roles })).id);
    }
    const { client, secret } = await bed.issuer.clients.create({
      name: "worker",
      grantTypes: ["client_credentials", "password", "refresh_token"],
      scope: "revocations:read",
    });
    const known: Known = {
      jars: [],
      client: { id: client.id, secret: secret! },
      accessTokens: [],
      refreshTokens: [],
      sessionIds: [],
      usernames: ["ada", "grace", "root"],
      setupToken,
    };
    const statuses = new Map<string, Set<number>>(routes.map((route) => [nameOf(route), new Set()]));
    const seen = new Set<string>();
    const document = JSON.parse((await bed.call("GET", "/openapi.json")).text);

    for (let sent = 0; sent < requestCount; sent += PARALLEL) {
      if (sent % SWEPT_EVERY === 0) await sweep(bed);
      if (below(8) === 0) bed.clock.advanceSeconds(below(below(20) === 0 ? 100_000 : 200));
      for (const subject of subjects) {
        const { accessToken, refreshToken, sessionId } = await bed.issuer.issue({ subject, scope: "revocations:read" });
        remember(known, accessToken, refreshToken, sessionId);
      }
      const ofClient = await bed.issuer.issue({ subject: subjects[0]!, clientId: client.id });
      remember(known, ofClient.accessToken, ofClient.refreshToken, ofClient.sessionId);
      known.accessTokens.splice(-1, 1, (await bed.issuer.clients.issueToken(client)).accessToken);
      keep(known.jars, jarOf(bed, await bed.issuer.issue({ subject: pick(below, subjects) })));
      const requests = Array.from({ length: PARALLEL }, () => randomRequest(below, known));
      await Promise.all(
        requests.map(async (request, nth) => {
          const told = `seed ${seed}, request ${sent + nth}: ${request.method} ${request.url} ${JSON.stringify([...request.headers])}`;
          const remoteAddress = [`192.0.2.${below(3)}`, "10.0.0.1", "2001:db8::1", undefined][below(4)];
          const answer = await read(await bed.handler.fetch(request, { remoteAddress }));
          const route = routeOf(request);
          if (route !== undefined) statuses.get(nameOf(route))!.add(answer.status);
          if (answer.status >= 500) expect([told, answer.text, failures]).toEqual([]);
          expectSound(told, request.method, route, answer, document);
          if (answer.body?.refresh_token !== undefined && answer.status === 200) {
            remember(known, answer.body.access_token, answer.body.refresh_token, answer.body.session_id);
          }
          seen.add(answer.body?.error).add(`${request.method} with ${answer.headers.getSetCookie().length} cookies`);
          const jar = new CookieJar().take(answer.headers);
          if (jar.get("refresh") !== "") keep(known.jars, jar);
        }),
      );
    }

    expect(failures).toEqual([]);
    // What cookies can meet has been met: the refusals, and renewal both by what reads and by what changes.
    for (const met of ["csrf_token_missing", "csrf_token_invalid", "cross_site_request"]) expect(seen).toContain(met);
    for (const method of ["GET", "POST"]) expect(seen).toContain(`${method} with 3 cookies`);
    // Where a password has to be right, chance alone need not get there.
    const likely = routes.filter(
      ({ body }) => body === undefined || !/password/.test(Object.keys(body.schema.shape).join()),
    );
    for (const route of likely)
      expect([nameOf(route), [...statuses.get(nameOf(route))!]]).toEqual([
        nameOf(route),
        expect.arrayContaining([route.success.status]),
      ]);
    report({
      run: "random requests on every route",
      count: requestCount,
      seed,
      seconds: (performance.now() - began) / 1000,
      found: { "answers in the 500s": 0, "answers against their schema": 0 },
    });
  },
  Math.max(60_000, requestCount * 20),
);

/** What a long run leaves behind would fill the memory. */
async function sweep({ store, clock, events }: TestBed): Promise<void> {
  await store.sweep({ endedBy: clock.now(), revokedBy: clock.now() - 3_600_000, limit: 1_000_000 });
  events.length = 0;
}

function remember(known: Known, accessToken: string, refreshToken: string, sessionId: string): void {
  for (const [list, value] of [
    [known.accessTokens, accessToken],
    [known.refreshTokens, refreshToken],
    [known.sessionIds, sessionId],
  ] as const) {
    keep(list, value);
  }
}

function keep<Item>(list: Item[], item: Item): void {
  if (list.push(item) > 40) list.shift();
}

/** The cookies that a browser would have of the session. */
function jarOf({ issuer }: TestBed, { accessToken, refreshToken, sessionId }: TokenPair): CookieJar {
  return new CookieJar()
    .set("access", accessToken)
    .set("refresh", refreshToken)
    .set("csrf", issuer.csrfToken(sessionId));
}

/** The reply; a stream of events has no end, so its headers have to do. */
async function read(response: Response): Promise<Reply> {
  if (response.headers.get("content-type") !== "text/event-stream") return reply(response);
  await response.body?.cancel();
  return { status: response.status, headers: response.headers, text: "", body: undefined };
}

function routeOf({ method, url }: Request): Endpoint | undefined {
  // An escaped letter is that letter (RFC 3986 section 2.4).
  const path = new URL(url).pathname.replace(/%[46][1-9A-F]|%[57][0-9A]/gi, (escaped) => decodeURIComponent(escaped));
  const served = method === "HEAD" ? "GET" : method;
  return routes.find(
    (route) =>
      methodOf(route) === served &&
      new RegExp(`^${route.path.replace(/[.]/g, "\\.").replace(/\{\w+\}/g, "[^/]+")}$`).test(path),
  );
}

/** Everything that must hold of every answer, whatever was asked. */
// biome-ignore lint/suspicious/noExplicitAny: an OpenAPI document.
function expectSound(told: string, method: string, route: Endpoint | undefined, answer: Reply, document: any): void {
  const { status, headers, text, body } = answer;
  expect([told, headers.get("x-content-type-options"), headers.get("referrer-policy")]).toEqual([
    told,
    "nosniff",
    "no-referrer",
  ]);
  expect([told, headers.get("content-security-policy")]).toEqual([
    told,
    expect.stringContaining("frame-ancestors 'none'"),
  ]);
  // A username and a device are given back to whoever chose them.
  const repeats = status >= 400 && (text + JSON.stringify([...headers])).includes(CANARY);
  expect([told, repeats]).toEqual([told, false]);
  expect([
    told,
    status === 401 && !/^(Bearer|Basic|DPoP) realm="latchkey"/.test(headers.get("www-authenticate") ?? ""),
  ]).toEqual([told, false]);
  expect([told, status === 429 && !/^[1-9]\d*$/.test(headers.get("retry-after") ?? "")]).toEqual([told, false]);
  if (method === "HEAD" || status === 204) expect([told, text]).toEqual([told, ""]);
  else if (status >= 400) expectErrorShape(told, route, body);
  else if (route?.success.schema !== undefined && isJson(headers)) {
    // What the schema does not name it drops: nothing may be there beside.
    expect([told, (route.success.schema as z.ZodType).parse(body)]).toEqual([told, body]);
  }
  expectSoundCookies(told, status, headers.getSetCookie(), text);
  const documented = route && document.paths[route.path][route.method].responses;
  if (documented !== undefined && method !== "OPTIONS")
    expect([told, Object.keys(documented)]).toEqual([told, expect.arrayContaining([String(status)])]);
}

/**
 * Cookies are set with success alone, a session's three and a sign-in's fourth, and then no token stands in the body. An error may
 * delete those of a session that is over.
 */
function expectSoundCookies(told: string, status: number, lines: readonly string[], text: string): void {
  const set = lines.filter((line) => !line.includes("Max-Age=0"));
  expect([told, set.length > 0 && (status >= 400 || /"(?:access|refresh)_token"/.test(text))]).toEqual([told, false]);
  if (set.length === 0) expect([told, lines.length <= 3]).toEqual([told, true]);
  else expect([told, lines.length]).toEqual([told, set.some((line) => line.includes("-device=")) ? 4 : 3]);
}

function isJson(headers: Headers): boolean {
  return headers.get("content-type")?.startsWith("application/json") === true;
}

const codes = new Set<string>(Object.keys(errorCatalogue));
const oauthErrors = new Set<string>(Object.values(errorCatalogue).map(({ oauthError }) => oauthError));

function expectErrorShape(told: string, route: Endpoint | undefined, body: Record<string, string>): void {
  expect([told, Object.keys(body)]).toEqual([told, ["error", "error_description"]]);
  const { error, error_description: description } = body as { error: ErrorCode; error_description: string };
  if (route?.errorStyle === "oauth") {
    // The code stands before the description where it is another than the error.
    const isNamed = codes.has(description.split(":")[0]!) || codes.has(error);
    expect([told, oauthErrors.has(error), isNamed]).toEqual([told, true, true]);
    expect([told, description]).toEqual([told, expect.stringMatching(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)]);
  } else {
    expect([told, error, codes.has(error)]).toEqual([told, error, true]);
    expect([told, typeof description, description.length > 0]).toEqual([told, "string", true]);
  }
}
