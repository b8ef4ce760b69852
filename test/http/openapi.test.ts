import { describe, expect, it } from "vitest";
import { type ErrorCode, errorCatalogue } from "../../src/errors.ts";
import {
  type Endpoint,
  letsChooseTransport,
  scopeOf,
  takesAccessToken,
  takesCookies,
} from "../../src/http/endpoint.ts";
import { routes } from "../../src/http/routes.ts";
import { nameOf } from "../support/route-table.ts";
import { createTestBed, ISSUER, PASSWORD } from "../support/test-bed.ts";

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
type Node = any;

async function readDocument(issuer = ISSUER): Promise<Node> {
  const bed = await createTestBed({ issuer });
  return (await bed.call("GET", "/openapi.json")).body;
}

/** Every object of the document, with the way to it. */
function* objectsIn(node: Node, way = "#"): Generator<readonly [way: string, node: Node]> {
  if (typeof node !== "object" || node === null) return;
  if (!Array.isArray(node)) yield [way, node];
  for (const [key, inner] of Object.entries(node))
    yield* objectsIn(inner, `${way}/${key.replace(/~/g, "~0").replace(/\//g, "~1")}`);
}

function resolveReference(document: Node, reference: string): Node {
  const keys = reference.slice("#/".length).split("/");
  return keys.reduce((node, key) => node?.[key.replace(/~1/g, "/").replace(/~0/g, "~")], document);
}

const operationsOf = (document: Node) =>
  routes.map((route) => [nameOf(route), route, document.paths[route.path]?.[route.method]] as const);

describe("the OpenAPI document", () => {
  it("is OpenAPI 3.1, served as JSON that may be cached, with the issuer as its server, a contact and a licence", async () => {
    for (const issuer of [ISSUER, "https://login.example.com/tenant"]) {
      const bed = await createTestBed({ issuer });
      const { status, headers, body } = await bed.call("GET", "/openapi.json");
      expect([status, headers.get("content-type")]).toEqual([200, "application/json"]);
      expect(headers.get("cache-control")).toBe("public, max-age=60");
      expect(body.openapi).toMatch(/^3\.1\.\d+$/);
      expect(body.info).toEqual({
        title: "Latchkey",
        version: expect.any(String),
        description: expect.any(String),
        contact: { name: expect.any(String), url: `${issuer}/docs` },
        license: { name: "MIT", url: "https://spdx.org/licenses/MIT.html" },
      });
      expect(body.servers).toEqual([{ url: issuer, description: expect.any(String) }]);
      expect(Object.keys(body)).toEqual(expect.arrayContaining(["paths", "components"]));
    }
  });

  it("has every route of the table, and nothing that is not in it", async () => {
    const document = await readDocument();
    const described = Object.entries(document.paths as Record<string, object>).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(routes.map(nameOf).sort());
  });

  it("gives each operation a name of its own that follows from method and path, a summary, a description and one tag", async () => {
    const document = await readDocument();
    const operations = operationsOf(document);
    const names = operations.map(([, , { operationId }]) => operationId);
    expect(new Set(names).size).toBe(routes.length);
    for (const name of names) expect(name).toMatch(/^[a-z][A-Za-z0-9]+$/);
    expect(names).toEqual(expect.arrayContaining(["postAuthLogin", "deleteAuthSessionsById", "getWellKnownJwksJson"]));
    for (const [name, route, { summary, description, tags }] of operations) {
      expect([name, summary, tags]).toEqual([name, route.summary, [route.tag]]);
      expect(summary).not.toMatch(/\.$/);
      expect([name, description.startsWith(route.description)]).toEqual([name, true]);
    }
    const described = document.tags.map(({ name }: Node) => name);
    expect([...new Set(routes.map(({ tag }) => tag))].sort()).toEqual(described.toSorted());
    for (const { name, description } of document.tags) expect([name, description]).toEqual([name, expect.any(String)]);
  });

  it("has no reference that leads nowhere, and no component that nothing refers to", async () => {
    const document = await readDocument();
    const references = [...objectsIn(document)].flatMap(([way, node]) =>
      typeof node.$ref === "string" ? [[way, node.$ref]] : [],
    );
    expect(references.length).toBeGreaterThan(routes.length);
    for (const [way, reference] of references) {
      expect([way, typeof resolveReference(document, reference)]).toEqual([way, "object"]);
    }
    const referred = new Set(references.map(([, reference]) => reference));
    const schemas = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
    expect(schemas.filter((schema) => !referred.has(schema))).toEqual([]);
  });

  it("holds only schemas that a JSON Schema reader understands", async () => {
    const document = await readDocument();
    const types = ["string", "number", "integer", "boolean", "object", "array", "null"];
    let read = 0;
    for (const [way, node] of objectsIn(document)) {
      if (!/\/(schema|schemas\/\w+|properties\/\w+|items)$/.test(way) || node.$ref !== undefined) continue;
      read++;
      const named: unknown[] = [node.type ?? []].flat();
      expect([way, named.filter((type) => !types.includes(type as string))]).toEqual([way, []]);
      if (/\/schema$/.test(way)) expect([way, Object.keys(node).length]).not.toEqual([way, 0]);
      expect([way, Object.keys(node.properties ?? {})]).toEqual([way, expect.arrayContaining(node.required ?? [])]);
      if (node.type === "array") expect([way, typeof node.items]).toEqual([way, "object"]);
      // OpenAPI 3.0's, which 3.1 does not have.
      expect([way, "nullable" in node]).toEqual([way, false]);
    }
    expect(read).toBeGreaterThan(60);
  });

  it("holds only patterns that need no flag, and none whose classes Python and old engines do not know", async () => {
    const patterns = [...objectsIn(await readDocument())].filter(([, { pattern }]) => typeof pattern === "string");
    expect(patterns.length).toBeGreaterThan(1);
    for (const [way, { pattern }] of patterns) {
      for (const flags of ["", "u", "v"]) expect(() => new RegExp(pattern, flags)).not.toThrow();
      expect([way, /\\[pP]|\/[a-z]*$/.test(pattern)]).toEqual([way, false]);
    }
  });

  it("gives a new password the fewest characters of this issuer's options, wherever one is set, and no other password", async () => {
    for (const passwordMinLength of [undefined, 8, 40]) {
      const bed = await createTestBed(passwordMinLength === undefined ? {} : { passwordMinLength });
      const { schemas } = (await bed.call("GET", "/openapi.json")).body.components;
      const minLength = passwordMinLength ?? 15;
      for (const schema of [
        schemas.Registration.properties.password,
        schemas.PasswordChange.properties.new_password,
        schemas.Setup.properties.password,
      ]) {
        expect(schema).toMatchObject({ type: "string", format: "password", minLength, maxLength: 1024 });
        expect([schema.example === undefined, "x-new-password" in schema]).toEqual([minLength > 28, false]);
      }
      expect(schemas.PasswordChange.properties.current_password.minLength).toBe(1);
      expect(schemas.Login.properties.password.minLength).toBe(1);
    }
  });

  it("describes a device's name by a pattern that is good exactly where the server takes the name, but for lone surrogates", async () => {
    const bed = await createTestBed();
    await bed.login();
    const { pattern } = (await bed.call("GET", "/openapi.json")).body.components.schemas.Login.properties.device;
    const special = [0, 9, 10, 13, 0x1f, 0x20, 0x7e, 0x7f, 0x85, 0x9f, 0xa0, 0x2027, 0x2028, 0x2029, 0x202a, 0x1f5dd];
    for (const code of special) {
      const device = `My${String.fromCodePoint(code)}laptop`;
      const json = { username: "ada", password: PASSWORD, device };
      const { status } = await bed.call("POST", "/auth/login", { json });
      for (const flags of ["", "u", "v"]) {
        expect([code, flags, new RegExp(pattern, flags).test(device)]).toEqual([code, flags, status === 200]);
      }
    }
    const json = { username: "ada", password: PASSWORD, device: "My \ud83d laptop" };
    expect((await bed.call("POST", "/auth/login", { json })).status).toBe(400);
  });

  it("describes each parameter of a path and of a query string, the proof that tokens are bound by, and no other", async () => {
    const document = await readDocument();
    for (const [name, { path, query, dpop }, { parameters = [] }] of operationsOf(document)) {
      const expected = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => ({
        name: parameter,
        in: "path",
        required: true,
        description: expect.stringMatching(/./),
        schema: { type: "string" },
      }));
      const inQuery = Object.keys(query?.shape ?? {}).map((parameter) => ({
        name: parameter,
        in: "query",
        required: false,
        schema: expect.objectContaining({ type: expect.stringMatching(/^(?:integer|string)$/) }),
      }));
      const proof = { name: "DPoP", in: "header", required: false, schema: { type: "string" } };
      const inHeader = dpop === "binds" ? [proof] : [];
      expect([name, parameters]).toMatchObject([name, [...expected, ...inHeader, ...inQuery]]);
    }
  });

  it("asks for a body exactly where the route takes one, and says whether it can do without", async () => {
    const document = await readDocument();
    for (const [name, { body }, { requestBody }] of operationsOf(document)) {
      if (body === undefined) {
        expect([name, requestBody]).toEqual([name, undefined]);
        continue;
      }
      const type = body.format === "json" ? "application/json" : "application/x-www-form-urlencoded";
      expect([name, requestBody.required, Object.keys(requestBody.content)]).toEqual([
        name,
        body.optional !== true,
        [type],
      ]);
      const schema = resolveReference(document, requestBody.content[type].schema.$ref);
      expect([name, Object.keys(schema.properties)]).toEqual([name, Object.keys(body.schema.shape)]);
      // A form may hold more (RFC 6749 section 3.2); JSON may not.
      expect([name, schema.additionalProperties]).toEqual([name, body.format === "json" ? false : undefined]);
    }
  });

  it("names every way to show who one is, the cookies by the names that this issuer gives them", async () => {
    for (const [issuer, prefix] of [
      [ISSUER, ""],
      ["https://login.example.com", "__Host-"],
    ] as const) {
      const description = expect.any(String);
      const cookie = (kind: string) => ({
        type: "apiKey",
        in: "cookie",
        name: `${prefix}latchkey-${kind}`,
        description,
      });
      expect((await readDocument(issuer)).components.securitySchemes).toEqual({
        accessToken: { type: "http", scheme: "bearer", bearerFormat: "JWT", description },
        boundAccessToken: { type: "http", scheme: "dpop", description },
        accessCookie: cookie("access"),
        refreshCookie: cookie("refresh"),
        csrfToken: {
          type: "apiKey",
          in: "header",
          name: "x-csrf-token",
          description: expect.stringContaining(`\`${prefix}latchkey-csrf\``),
        },
        client: { type: "http", scheme: "basic", description },
      });
    }
  });

  it("asks for a token, for cookies with CSRF proof where the method is unsafe, or for a client exactly where the route does", async () => {
    for (const [name, route, { security, description }] of operationsOf(await readDocument())) {
      expect([name, security]).toEqual([name, expectedSecurity(route)]);
      // Not as OAuth scopes of the schemes, which are none of OAuth 2.0.
      const needed = /Requires the (?:role|scope) `(.+)`\.$/.exec(description)?.[1];
      expect([name, needed]).toEqual([name, route.access === "admin" ? "admin" : scopeOf(route.access)]);
    }
  });

  it("says of each route what a lacking token, role, scope or CSRF proof gets there, and says it nowhere else", async () => {
    const asked = {
      missing_token: (route: Endpoint) => takesAccessToken(route.access),
      insufficient_role: (route: Endpoint) => route.access === "admin" || isForwardAuth(route),
      insufficient_scope: (route: Endpoint) => scopeOf(route.access) !== undefined || isForwardAuth(route),
      csrf_token_missing: asksForProof,
      csrf_token_invalid: asksForProof,
      invalid_dpop_proof: takesDpop,
      use_dpop_nonce: takesDpop,
      // Signing in with cookies is not for another site's page, nor is a WebSocket handshake that cookies speak for.
      cross_site_request: (route: Endpoint) => takesCookies(route) || letsChooseTransport(route),
    } satisfies Partial<Record<ErrorCode, (route: Endpoint) => boolean>>;
    const errors = documentedErrors(await readDocument());
    for (const [code, isAsked] of Object.entries(asked)) {
      const names = errors.filter((error) => error.code === code).map(({ name }) => name);
      expect([code, names.sort()]).toEqual([code, routes.filter(isAsked).map(nameOf).sort()]);
    }
  });

  it("describes one success of each route, with its body", async () => {
    for (const [name, route, status, response] of responsesOf(await readDocument())) {
      const { success } = route;
      expect([name, status, response.description]).toEqual([name, status, expect.stringMatching(/./)]);
      if (status >= 400 || (status === 304 && route.notModified === true)) continue;
      const setsCookies = takesCookies(route) || letsChooseTransport(route);
      expect([name, Object.keys(response.headers ?? {})]).toEqual([name, setsCookies ? ["Set-Cookie"] : []]);
      const types = success.status === 204 ? [] : [success.contentType ?? "application/json"];
      expect([name, status, Object.keys(response.content ?? {})]).toEqual([name, success.status, types]);
    }
  });

  it("describes every error in the one shape, with the header that it comes with", async () => {
    const document = await readDocument();
    for (const [name, , status, response] of responsesOf(document)) {
      if (status < 400) continue;
      expect(response.content).toEqual({ "application/json": { schema: { $ref: "#/components/schemas/Error" } } });
      const isChallenged =
        status === 401 || (status === 403 && /`insufficient_(?:role|scope)`/.test(response.description));
      const header = isChallenged ? ["WWW-Authenticate"] : status === 429 || status === 503 ? ["Retry-After"] : [];
      expect([name, status, Object.keys(response.headers ?? {})]).toEqual([name, status, header]);
    }
    expect(document.components.schemas.Error.required).toEqual(["error", "error_description"]);
  });

  it("names only codes of the catalogue, each under the status that it is sent with, and with its text", async () => {
    const errors = documentedErrors(await readDocument());
    expect(errors.length).toBeGreaterThan(100);
    for (const { name, status, code, sentAs, text, isOauth } of errors) {
      const entry = errorCatalogue[code];
      expect([name, code, entry?.description]).toEqual([name, code, text]);
      const isGrant = isOauth && ["invalid_grant", "invalid_dpop_proof", "use_dpop_nonce"].includes(entry.oauthError);
      expect([name, code, status]).toEqual([name, code, isGrant ? 400 : entry.status]);
      expect([name, code, sentAs]).toEqual([name, code, isOauth ? entry.oauthError : code]);
    }
    const named = new Set(errors.map(({ code }) => code));
    const unnamed = Object.keys(errorCatalogue).filter((code) => !named.has(code as ErrorCode));
    const anyRequest = ["internal_error", "method_not_allowed"];
    const commandLine = ["signing_key_too_new", "last_administrator", "store_unusable"];
    const guardsOfTheApplication = ["denied_by_policy", "token_not_fresh"];
    const otherServices = ["verifier_unavailable"];
    const elsewhere = [...anyRequest, ...commandLine, ...guardsOfTheApplication, ...otherServices];
    expect(unnamed.sort()).toEqual(elsewhere.sort());
  });
});

function expectedSecurity(route: Endpoint): Record<string, string[]>[] {
  const proof = route.method === "get" ? {} : { csrfToken: [] };
  const inHeader = [{ accessToken: [] }, ...(isForwardAuth(route) ? [] : [{ boundAccessToken: [] }])];
  if (scopeOf(route.access) !== undefined) return inHeader;
  if (takesAccessToken(route.access)) return [...inHeader, { accessCookie: [], ...proof }];
  if (isSessionState(route)) return [...inHeader, { accessCookie: [] }, { refreshCookie: [] }, {}];
  if (["POST /auth/refresh", "POST /auth/logout"].includes(nameOf(route))) return [{ refreshCookie: [], ...proof }, {}];
  return { optional: [{ client: [] }, {}], required: [{ client: [] }], none: [] }[route.client ?? "none"];
}

/** A proxy asks it, by GET, about requests of every method. */
const isForwardAuth = (route: Endpoint) => nameOf(route) === "GET /auth/verify";
const isSessionState = (route: Endpoint) => nameOf(route) === "GET /auth/session";
const takesDpop = (route: Endpoint) =>
  isSessionState(route) ||
  ["POST /auth/login", "POST /auth/refresh", "POST /token"].includes(nameOf(route)) ||
  (takesAccessToken(route.access) && !isForwardAuth(route));
const asksForProof = (route: Endpoint) => (takesCookies(route) && route.method !== "get") || isForwardAuth(route);

function responsesOf(document: Node): (readonly [name: string, route: Endpoint, status: number, response: Node])[] {
  return operationsOf(document).flatMap(([name, route, { responses }]) =>
    Object.entries(responses).map(([status, response]) => [name, route, Number(status), response] as const),
  );
}

/** Every line of every error's description: `- `code`: text`, or `- `error` (`code`): text` where the error takes OAuth's form. */
function documentedErrors(document: Node) {
  return responsesOf(document)
    .filter(([, , status]) => status >= 400)
    .flatMap(([name, { errorStyle }, status, { description }]) =>
      (description as string).split("\n").map((line) => {
        const [, sentAs, code = sentAs, text] = /^- `(\w+)`(?: \(`(\w+)`\))?: (.+)$/.exec(line) ?? [];
        return { name, status, sentAs, code: code as ErrorCode, text, isOauth: errorStyle === "oauth" };
      }),
    );
}
