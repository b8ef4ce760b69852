import { describe, expect, it } from "vitest";
import type { Endpoint } from "../../src/http/endpoint.ts";
import { routes } from "../../src/http/routes.ts";
import { createGuard, type HandlerOptions, type IssuerOptions } from "../../src/index.ts";
import { CANARY, methodOf, nameOf, pathOf } from "../support/route-table.ts";
import { createTestBed, PASSWORD, type Reply, type TestBed } from "../support/test-bed.ts";

const ORIGIN = "https://app.example.com";

/** One answer of every kind that there is, by a name that says which. */
async function everyKindOfAnswer(
  issuerOptions: Partial<IssuerOptions> = {},
  handlerOptions: HandlerOptions = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<ReadonlyMap<string, Reply>> {
  const bed = await createTestBed(
    { registration: "open", ...issuerOptions },
    { passwordGrant: true, ...handlerOptions },
  );
  const admin = await bed.issuer.users.create({ username: "root", password: PASSWORD, roles: ["admin"] });
  const pair = await bed.issuer.issue({ subject: admin.id });
  const [bearer, json] = [pair.accessToken, { username: "root", password: PASSWORD }];
  const answers = new Map<string, Reply>();
  async function add(name: string, method: string, path: string, request: Parameters<TestBed["call"]>[2] = {}) {
    const answer = await bed.call(method, path, { ...request, headers: { ...headers, ...request.headers } });
    answers.set(`${name} ${answer.status}`, answer);
  }

  for (const route of routes) {
    await add(`${nameOf(route)}, bare`, methodOf(route), pathOf(route));
    await add(`${nameOf(route)}, signed in`, methodOf(route), pathOf(route), { bearer });
    await add(`OPTIONS ${route.path}`, "OPTIONS", pathOf(route));
  }
  for (const route of routes.filter(({ method }) => method === "get")) {
    await add(`HEAD ${route.path}`, "HEAD", pathOf(route), { bearer });
  }
  // The bare and the signed-in logout-all have ended that session.
  await add("login", "POST", "/auth/login", { json });
  await add("failed login", "POST", "/auth/login", { json: { ...json, password: "wrong" } });
  await add("register", "POST", "/auth/register", { json: { ...json, username: "ada" } });
  await add("taken", "POST", "/auth/register", { json: { ...json, username: "ada" } });
  await add("weak", "POST", "/auth/register", { json: { username: "eve", password: "short" } });
  await add("password grant", "POST", "/token", { form: { grant_type: "password", ...json } });
  await add("unknown client", "POST", "/token", { form: { grant_type: "password", client_id: "x", ...json } });
  const live = await bed.issuer.issue({ subject: admin.id });
  await add("refresh", "POST", "/auth/refresh", { json: { refresh_token: live.refreshToken } });
  await add("me", "GET", "/auth/me", { bearer: live.accessToken });
  await add("sessions", "GET", "/auth/sessions", { bearer: live.accessToken });
  await add("metrics", "GET", "/auth/admin/metrics", { bearer: live.accessToken });
  await add("reauthenticate", "POST", "/auth/reauthenticate", {
    bearer: live.accessToken,
    json: { password: PASSWORD },
  });
  await add("not theirs", "DELETE", `/auth/sessions/${"A".repeat(22)}`, { bearer: live.accessToken });
  const ada = await bed.issuer.issue({ subject: (await bed.store.findUserByUsername("ada"))!.id });
  await add("forbidden", "GET", "/auth/admin/metrics", { bearer: ada.accessToken });
  await add("too large", "POST", "/auth/login", { json: { username: "x".repeat(70_000), password: "x" } });
  await add("wrong type", "POST", "/auth/login", { headers: { "content-type": "text/plain" } });
  await add("no route", "GET", "/no/such/route");
  await add("preflight", "OPTIONS", "/auth/login", { headers: { "access-control-request-method": "POST" } });
  await add("preflight of nothing", "OPTIONS", "/nothing", { headers: { "access-control-request-method": "POST" } });
  for (let count = 0; count < 12; count++) {
    await add("throttled", "POST", "/auth/login", { json: { username: "eve", password: "wrong" } });
  }
  await bed.store.close();
  await add("store away", "POST", "/auth/refresh", { json: { refresh_token: live.refreshToken } });
  return answers;
}

describe("headers of every answer", () => {
  it("come with every status that the server gives", async () => {
    const answers = await everyKindOfAnswer({}, { allowedOrigins: [ORIGIN], isReady: broken }, { origin: ORIGIN });
    const statuses = new Set([...answers.values()].map(({ status }) => status));
    expect([...statuses].sort()).toEqual([200, 201, 204, 400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503]);
  });

  it("SECURITY 91: keep browsers from sniffing, framing, loading anything and telling where they came from", async () => {
    for (const allowedOrigins of [[], [ORIGIN]]) {
      const answers = await everyKindOfAnswer({}, { allowedOrigins, isReady: broken }, { origin: ORIGIN });
      for (const [name, { headers }] of answers) {
        const label = `${name}, ${allowedOrigins.length} origins`;
        expect([label, headers.get("x-content-type-options")]).toEqual([label, "nosniff"]);
        expect([label, headers.get("referrer-policy")]).toEqual([label, "no-referrer"]);
        expect([label, headers.get("x-frame-options")]).toEqual([label, "DENY"]);
        expect([label, headers.get("cross-origin-resource-policy")]).toEqual([label, "same-origin"]);
        const policy = headers.get("content-security-policy") ?? "";
        expect([label, policy]).toEqual([label, expect.stringMatching(/^default-src 'none'; /)]);
        expect([label, policy]).toEqual([label, expect.stringMatching(/frame-ancestors 'none'$/)]);
        expect([label, policy]).not.toEqual([
          label,
          expect.stringMatching(/unsafe-eval|script-src[^;]*unsafe-inline|\*|https?:/),
        ]);
        expect([label, headers.get("server"), headers.get("x-powered-by")]).toEqual([label, null, null]);
      }
    }
  });

  it("are the same strict ones on what a guard refuses", async () => {
    const bed = await createTestBed();
    const refused = await createGuard(bed.issuer).protect(() => new Response())(
      new Request("https://api.example.com/"),
    );
    expect(refused.headers.get("x-content-type-options")).toBe("nosniff");
    // A guard answers on the application's host, whose HSTS is the application's own.
    expect(refused.headers.get("strict-transport-security")).toBeNull();
    expect(refused.headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
    expect(refused.headers.get("referrer-policy")).toBe("no-referrer");
    expect(refused.headers.get("cache-control")).toBe("no-store");
  });

  it("SECURITY 91: hold browsers to https exactly when the issuer is https, and as the option hsts says", async () => {
    const everything = "max-age=63072000; includeSubDomains; preload";
    for (const [issuer, hsts, expected] of [
      ["https://login.example.com", undefined, "max-age=31536000"],
      ["https://login.example.com", everything, everything],
      ["https://login.example.com", "max-age=0", "max-age=0"],
      ["https://login.example.com", "off", null],
      ["http://127.0.0.1:4000", undefined, null],
      ["http://127.0.0.1:4000", "off", null],
    ] as const) {
      const answers = await everyKindOfAnswer(
        { issuer },
        { allowedOrigins: [ORIGIN], isReady: broken, hsts },
        { origin: ORIGIN },
      );
      for (const [name, { headers }] of answers) {
        expect([name, headers.get("strict-transport-security")]).toEqual([name, expected]);
      }
    }
  });

  it("SECURITY 92: let nothing be stored but what is public: the keys, the metadata, the API's description and its script", async () => {
    const stored = new Set<string>();
    for (const [name, { headers, status }] of await everyKindOfAnswer({}, { isReady: broken })) {
      const cacheControl = headers.get("cache-control");
      if (cacheControl === "no-store") continue;
      expect([name, status, cacheControl]).toEqual([name, 200, expect.stringMatching(/^public, max-age=\d+$/)]);
      stored.add(name.replace(/^\w+ ([^ ,]+).*$/, "$1"));
    }
    expect([...stored].sort()).toEqual([
      "/.well-known/jwks.json",
      "/.well-known/oauth-authorization-server",
      "/.well-known/openid-configuration",
      "/docs/openapi-explorer.js",
      "/openapi.json",
    ]);
    const cacheable = (route: Endpoint) => stored.has(route.path);
    expect(new Set(routes.filter(cacheable).map(({ access }) => access))).toEqual(new Set(["public"]));
  });

  it("tell whoever is refused for the number of his requests, or for our troubles, how long to wait", async () => {
    for (const [name, { headers, status }] of await everyKindOfAnswer({}, { isReady: () => false })) {
      const wait = headers.get("retry-after");
      const expected = status === 429 || status === 503 ? expect.stringMatching(/^[1-9]\d*$/) : null;
      expect([name, wait]).toEqual([name, expected]);
    }
  });

  it("say JSON, without a charset, wherever the body is JSON, and HTML and scripts with one", async () => {
    for (const [name, { headers, text }] of await everyKindOfAnswer()) {
      if (text === "") continue;
      const type = headers.get("content-type");
      const expected = text.startsWith("{")
        ? "application/json"
        : text.startsWith("<!doctype html>")
          ? "text/html; charset=utf-8"
          : "text/javascript; charset=utf-8";
      expect([name, type]).toEqual([name, expected]);
    }
  });

  it("give away nothing of what failed inside", async () => {
    const errors: unknown[] = [];
    const bed = await createTestBed({}, { isReady: broken, onError: (error) => errors.push(error) });
    const { status, text, headers } = await bed.call("GET", "/readyz");
    expect([status, JSON.parse(text)]).toEqual([
      500,
      {
        error: "internal_error",
        error_description: "The server failed. Report the X-Request-Id of this response to its operator.",
      },
    ]);
    expect(text + JSON.stringify([...headers])).not.toContain(CANARY);
    expect(errors).toEqual([new Error(CANARY)]);
  });

  it("come also when a listener throws", async () => {
    const bed = await createTestBed({}, { isReady: broken, onError: broken, onRequest: broken });
    expect((await bed.call("GET", "/livez")).status).toBe(200);
    expect((await bed.call("GET", "/readyz")).status).toBe(500);
    expect((await bed.call("GET", "/nothing")).status).toBe(404);
  });
});

describe("request ids", () => {
  it("are taken over where they are well-formed, on every kind of answer, and told to the listeners and events", async () => {
    for (const id of ["12345678", "a-b_c.d-EF", "0f8fad5b-d9cb-469f-a165-70867728950e", "x".repeat(64)]) {
      const entries: string[] = [];
      const onRequest = ({ requestId }: { requestId: string }) => entries.push(requestId);
      const events: (string | null)[] = [];
      const answers = await everyKindOfAnswer(
        { onEvent: (event) => events.push(event.requestId) },
        { isReady: broken, onRequest, allowedOrigins: [ORIGIN] },
        { "x-request-id": id },
      );
      for (const [name, { headers }] of answers) expect([name, headers.get("x-request-id")]).toEqual([name, id]);
      expect(new Set(entries)).toEqual(new Set([id]));
      expect(new Set(events.filter((requestId) => requestId !== null))).toEqual(new Set([id]));
    }
  });

  it("are made anew where they are missing or could do harm in a log or a header", async () => {
    const bed = await createTestBed();
    const seen = new Set<string>();
    const hostile = [
      undefined,
      "",
      "short",
      "x".repeat(65),
      "x".repeat(8000),
      "12345678 ",
      "12345678, 12345678",
      "1234 5678",
      "12345678\t",
      "../../../etc/passwd",
      "<script>alert(1)</script>",
      '12345678"',
      "12345678;DROP TABLE",
      "12345678%0d%0aSet-Cookie:x=1",
      "\u00e912345678",
      "\x1b[31m12345678",
      "$" + "{jndi:ldap://x}",
      "{{7*7}}1234",
    ];
    for (const id of hostile) {
      // A header's own value has neither leading nor trailing white space (RFC 9110 section 5.5).
      const headers = id === undefined ? {} : { "x-request-id": id };
      const given = (await bed.call("GET", "/nothing", { headers })).headers.get("x-request-id")!;
      if (id?.trim() === "12345678") continue;
      expect([id, given]).toEqual([id, expect.stringMatching(/^[\w-]{16}$/)]);
      seen.add(given);
    }
    expect(seen.size).toBe(hostile.length - 2);
  });
});

const isPublic = (name: string) => name.includes("/.well-known/");
const variesWithCookies = (name: string) => /^(?:GET|HEAD) \/auth\/session\b(?!s)/.test(name);

describe("other origins", () => {
  const headersOf = (answer: Reply) => [...answer.headers].filter(([name]) => name.startsWith("access-control-"));

  it("get nothing at all by default", async () => {
    for (const [name, answer] of await everyKindOfAnswer({}, {}, { origin: ORIGIN })) {
      const vary = variesWithCookies(name) ? "Origin, Cookie" : null;
      const cors = isPublic(name) && answer.status === 200 ? [["access-control-allow-origin", "*"]] : [];
      expect([name, headersOf(answer), answer.headers.get("vary")]).toEqual([name, cors, vary]);
    }
    const bed = await createTestBed();
    const preflight = await bed.call("OPTIONS", "/auth/login", {
      headers: { origin: ORIGIN, "access-control-request-method": "POST" },
    });
    expect([preflight.status, headersOf(preflight)]).toEqual([405, []]);
  });

  it("may read every kind of answer, with credentials, where they stand in the list", async () => {
    const answers = await everyKindOfAnswer(
      {},
      { allowedOrigins: ["https://other.example.com", ORIGIN] },
      { origin: ORIGIN },
    );
    for (const [name, { headers }] of answers) {
      expect([name, headers.get("access-control-allow-origin")]).toEqual([name, ORIGIN]);
      expect([name, headers.get("access-control-allow-credentials")]).toEqual([name, "true"]);
      expect([name, headers.get("access-control-expose-headers")]).toEqual([
        name,
        "DPoP-Nonce, Retry-After, WWW-Authenticate, X-Request-Id",
      ]);
      expect([name, headers.get("vary")]).toEqual([name, variesWithCookies(name) ? "Origin, Cookie" : "Origin"]);
    }
  });

  it("SECURITY 89: get nothing where they differ from an entry in anything, but every answer varies with the origin", async () => {
    const allowedOrigins = [ORIGIN, "http://localhost:5173"];
    const bed = await createTestBed({}, { allowedOrigins });
    for (const origin of [
      undefined,
      "",
      "null",
      "*",
      "https://",
      "app.example.com",
      "//app.example.com",
      "https://example.com",
      "https://evil.example.com",
      "https://xapp.example.com",
      "https://app.example.com.evil.com",
      "https://app.example.comevil.com",
      "https://app.example.co",
      "https://app-example.com",
      "https://appXexample.com",
      "https://app.example.com.",
      "https://app.example.com/",
      "https://app.example.com/x",
      "https://app.example.com:443",
      "https://app.example.com:8443",
      "http://app.example.com",
      "HTTPS://app.example.com",
      "https://APP.example.com",
      "https://app.example.com, https://app.example.com",
      "https://app.example.com https://app.example.com",
      "https://user@app.example.com",
      "https://app.example.com@evil.com",
      "https://evil.com#https://app.example.com",
      "https://evil.com?https://app.example.com",
      "http://localhost",
      "http://localhost:51730",
      "http://127.0.0.1:5173",
      "file://",
      "chrome-extension://abc",
    ]) {
      const headers = origin === undefined ? {} : { origin };
      const preflight = { ...headers, "access-control-request-method": "POST" };
      for (const answer of [
        await bed.call("GET", "/livez", { headers }),
        await bed.call("GET", "/openapi.json", { headers }),
        await bed.call("GET", "/auth/me", { headers }),
        await bed.call("POST", "/nothing", { headers }),
        await bed.call("OPTIONS", "/auth/login", { headers: preflight }),
      ]) {
        expect([origin, headersOf(answer), answer.headers.get("vary")]).toEqual([origin, [], "Origin"]);
      }
    }
  });

  it("get their preflights answered, without a body, on every path and before any other work", async () => {
    const entries: number[] = [];
    const bed = await createTestBed({}, { allowedOrigins: [ORIGIN], onRequest: ({ status }) => entries.push(status) });
    for (const path of [...routes.map(pathOf), "/nothing", "/auth/me?access_token=x"]) {
      const answer = await bed.call("OPTIONS", path, {
        headers: {
          origin: ORIGIN,
          "access-control-request-method": "POST",
          "access-control-request-headers": "authorization, x-anything",
        },
      });
      expect([path, answer.status, answer.text]).toEqual([path, 204, ""]);
      expect(headersOf(answer)).toEqual([
        ["access-control-allow-credentials", "true"],
        [
          "access-control-allow-headers",
          "Authorization, Content-Type, DPoP, X-CSRF-Token, X-Request-Id, traceparent, tracestate, baggage",
        ],
        ["access-control-allow-methods", "GET, POST, DELETE"],
        ["access-control-allow-origin", ORIGIN],
        ["access-control-expose-headers", "DPoP-Nonce, Retry-After, WWW-Authenticate, X-Request-Id"],
        ["access-control-max-age", "600"],
      ]);
    }
    expect(new Set(entries)).toEqual(new Set([204]));
    // Without the header that makes it one, OPTIONS is a method like others.
    expect((await bed.call("OPTIONS", "/auth/login", { headers: { origin: ORIGIN } })).status).toBe(405);
  });

  it("may read the keys and the metadata, whether they are in a list or not, and nothing else", async () => {
    for (const allowedOrigins of [[], [ORIGIN]]) {
      const bed = await createTestBed({}, { allowedOrigins });
      for (const path of ["jwks.json", "oauth-authorization-server", "openid-configuration"]) {
        for (const origin of ["https://anybody.example", "null", undefined]) {
          const asking = origin === undefined ? {} : { origin };
          const answer = await bed.call("GET", `/.well-known/${path}`, { headers: asking });
          expect([path, answer.status, headersOf(answer)]).toEqual([path, 200, [["access-control-allow-origin", "*"]]]);
        }
        const preflight = await bed.call("OPTIONS", `/.well-known/${path}`, {
          headers: {
            origin: "https://anybody.example",
            "access-control-request-method": "GET",
            "access-control-request-headers": "traceparent",
          },
        });
        expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([204, "*"]);
        expect(preflight.headers.get("access-control-allow-headers")).toContain("traceparent");
        expect(preflight.headers.has("access-control-allow-credentials")).toBe(false);
      }
      const other = await bed.call("GET", "/livez", { headers: { origin: "https://anybody.example" } });
      expect(headersOf(other)).toEqual([]);
    }
  });

  it("must stand in the list exactly: a pattern, a path, a slash or null is refused when the handler is made", async () => {
    for (const origin of [
      "*",
      "null",
      "",
      "app.example.com",
      "https://app.example.com/",
      "https://*.example.com",
      "https://APP.example.com",
      "https://app.example.com:443",
      "https://app.example.com/x",
      "file:///",
      "https://u@app.example.com",
    ]) {
      await expect(createTestBed({}, { allowedOrigins: [ORIGIN, origin] })).rejects.toThrow(
        new TypeError(
          `Option 'allowedOrigins' contains '${origin}', which is not an exact origin such as https://app.example.com.`,
        ),
      );
    }
  });
});

/** Fails as nothing that Latchkey expects. */
function broken(): never {
  throw new Error(CANARY);
}
