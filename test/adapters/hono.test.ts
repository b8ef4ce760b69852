import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { validator } from "hono/validator";
import { describe, expect, it } from "vitest";
import { guarded, latchkey } from "../../src/adapters/hono.ts";
import { createGuard } from "../../src/index.ts";
import { createTestBed, ISSUER, reply } from "../support/test-bed.ts";
import { type Build, describeAdapter, serve } from "./contract.ts";

const build: Build = async ({ handler, guards, mount, readsBodies }) => {
  const app = new Hono();
  if (readsBodies) {
    app.use(async (c, next) => {
      const type = c.req.header("content-type") ?? "";
      if (type.includes("json")) await c.req.json().catch(() => undefined);
      else if (type.includes("form")) await c.req.parseBody();
      await next();
    });
  }
  app.route(mount || "/", latchkey(handler));
  app.get("/orders", guarded(guards.any), (c) => c.json({ sub: c.var.auth.sub }));
  app.post("/orders", guarded(guards.body), (c) => c.json({ sub: c.var.auth.sub }));
  app.get("/editors", guarded(guards.editor), (c) => c.json({ sub: c.var.auth.sub }));
  app.get("/mine/:owner", guarded(guards.owner, { resource: (c) => c.req.param("owner") }), (c) =>
    c.json({ sub: c.var.auth.sub }),
  );
  app.get("/user", guarded(guards.user), (c) => c.json({ sub: c.var.auth.sub, name: c.var.user.name }));
  app.get("/broken", guarded(guards.broken), (c) => c.json({ sub: c.var.auth.sub }));
  app.get("/optional", guarded(guards.optional), (c) => c.json({ sub: c.var.auth?.sub ?? null }));
  app.get("/cookie", guarded(guards.any), (c) => c.json({ cookie: c.req.header("cookie") }));
  app.get("/fails", guarded(guards.any), (c) => c.json({}, 404));
  app.get("/sets", guarded(guards.any), (c) => c.json({}, 200, { "set-cookie": "own=1" }));
  app.get("/open", (c) => c.text("open"));
  return serve(getRequestListener(app.fetch));
};

describeAdapter("Hono", build, { readsBodies: true, goesOn: true });

describe("Hono alone", () => {
  it("needs no server: without one the client's address is unknown, or what the application says it is", async () => {
    const seen: (string | null)[] = [];
    const bed = await createTestBed({}, { onRequest: ({ ip }) => seen.push(ip) });
    await new Hono().route("/", latchkey(bed.handler)).request("/livez");
    const ip = () => "203.0.113.9";
    await new Hono().route("/", latchkey(bed.handler, { ip })).request("/livez");
    expect(seen).toEqual([null, "203.0.113.9"]);
  });

  it("leaves a route to the application that has it already", async () => {
    const bed = await createTestBed();
    const app = new Hono().get("/livez", (c) => c.text("mine"));
    app.route("/", latchkey(bed.handler));
    expect(await (await app.request("/livez")).text()).toBe("mine");
  });

  it("finds the mount path where that has parameters", async () => {
    const bed = await createTestBed();
    const app = new Hono().route("/:tenant/auth-server", latchkey(bed.handler));
    expect((await app.request("/acme/auth-server/.well-known/jwks.json")).status).toBe(200);
  });

  it("hands what is no refusal to the application's error handler, and no refusal", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const loadUser = (): undefined => {
      throw new Error("The user table is away.");
    };
    const told: string[] = [];
    const app = new Hono().get("/orders", guarded(createGuard(bed.issuer, { loadUser })), (c) =>
      c.text(c.var.auth.sub),
    );
    app.onError((error, c) => {
      told.push(error.message);
      return c.text("", 500);
    });
    expect((await app.request("/orders")).status).toBe(401);
    expect((await app.request("/orders", { headers: { authorization: `Bearer ${token}` } })).status).toBe(500);
    expect(told).toEqual(["The user table is away."]);
  });

  it("leaves it to the application to refuse a body that is not the JSON it says it is", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const app = new Hono();
    app.use(async (c, next) => {
      await c.req.text();
      await next();
    });
    app.post("/orders", guarded(createGuard(bed.issuer)), async (c) => c.text(await c.req.text()));
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answer = await app.request("/orders", { method: "POST", headers, body: "{" });
    expect([answer.status, await answer.text()]).toEqual([200, "{"]);
  });

  it("keeps the body readable behind a guard that has renewed the cookies, and the answer streaming", async () => {
    const bed = await createTestBed();
    await bed.login();
    const login = { username: "ada", password: "correct horse battery staple", transport: "cookie" };
    const { headers, body } = await bed.call("POST", "/auth/login", { json: login });
    const refresh = headers
      .getSetCookie()
      .find((line) => line.includes("-refresh"))!
      .split(";")[0]!;
    const app = new Hono();
    app.post("/echo", guarded(createGuard(bed.issuer)), async (c) => c.body((await c.req.raw.blob()).stream()));
    app.post(
      "/valid",
      validator("json", (value) => value),
      guarded(createGuard(bed.issuer)),
      (c) => c.json(c.req.valid("json")),
    );
    for (const path of ["/echo", "/valid"]) {
      const answer = await app.request(ISSUER + path, {
        method: "POST",
        headers: { cookie: refresh, "x-csrf-token": body.csrf_token, "content-type": "application/json" },
        body: '{"kept":true}',
      });
      expect(answer.headers.getSetCookie()).toHaveLength(3);
      expect(JSON.parse((await reply(answer)).text)).toEqual({ kept: true });
    }
  });

  it("types c.var by the guard of the route", async () => {
    const { issuer } = await createTestBed();
    const app = new Hono();
    app.get("/optional", guarded(createGuard(issuer, { optional: true })), (c) => {
      // @ts-expect-error Nobody may be there.
      return c.text(c.var.auth.sub);
    });
    app.get("/open", (c) => {
      // @ts-expect-error No guard stands here.
      return c.text(c.var.auth);
    });
    expect(app.routes).toHaveLength(3);
  });
});
