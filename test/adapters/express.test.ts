import express, { type ErrorRequestHandler } from "express";
import { describe, expect, it } from "vitest";
import { guarded, latchkey } from "../../src/adapters/express.ts";
import { createGuard, createHandler } from "../../src/index.ts";
import { Browser } from "../support/signed-in-browser.ts";
import { createTestBed, PASSWORD, reply } from "../support/test-bed.ts";
import { type Build, describeAdapter, serve } from "./contract.ts";

const build: Build = async ({ handler, guards, mount, readsBodies }) => {
  const app = express();
  if (readsBodies) app.use(express.json({ limit: "200kb", strict: false }), express.urlencoded());
  app.use(mount || "/", latchkey(handler));
  app.get("/orders", guarded(guards.any), (req, res) => res.json({ sub: req.auth.sub }));
  app.post("/orders", guarded(guards.body), (req, res) => res.json({ sub: req.auth.sub }));
  app.get("/editors", guarded(guards.editor), (req, res) => res.json({ sub: req.auth.sub }));
  app.get("/mine/:owner", guarded(guards.owner, { resource: (req) => req.params.owner }), (req, res) =>
    res.json({ sub: req.auth.sub }),
  );
  app.get("/user", guarded(guards.user), (req, res) => res.json({ sub: req.auth.sub, name: res.locals.user.name }));
  app.get("/broken", guarded(guards.broken), (req, res) => res.json({ sub: req.auth.sub }));
  app.get("/optional", guarded(guards.optional), (req, res) => res.json({ sub: req.auth?.sub ?? null }));
  app.get("/cookie", guarded(guards.any), (req, res) => res.json({ cookie: req.headers.cookie }));
  app.get("/fails", guarded(guards.any), (_, res) => res.status(404).json({}));
  app.get("/sets", guarded(guards.any), (_, res) => res.cookie("own", "1").json({}));
  app.get("/open", (_, res) => res.send("open"));
  return serve(app);
};

describeAdapter("Express", build, { readsBodies: true, goesOn: true });

const login = (password = PASSWORD, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify({ username: "ada", password }),
});

describe("Express alone", () => {
  it("gives the handler the bytes that a parser has kept in rawBody", async () => {
    const bed = await createTestBed();
    await bed.login();
    const app = express();
    const keep = { verify: (req: object, _: unknown, rawBody: Buffer) => Object.assign(req, { rawBody }) };
    app.use(express.json(keep), (req, _, next) => {
      req.body = { username: "somebody else" };
      next();
    });
    app.use(latchkey(bed.handler));
    const url = await serve(app);
    expect((await fetch(`${url}/auth/login`, login())).status).toBe(200);
  });

  it("reads a client's address as Express does, in the handler and in guards", async () => {
    const seen: (string | null)[] = [];
    const bed = await createTestBed({}, { onRequest: ({ ip }) => seen.push(ip) });
    const app = express().set("trust proxy", "loopback");
    app.use(latchkey(bed.handler));
    app.get("/orders", guarded(createGuard(bed.issuer)), (_, res) => res.json({}));
    const browser = new Browser(await serve(app));
    const from = { headers: { "x-forwarded-for": "203.0.113.9" } };
    await browser.fetch("/livez", from);
    expect(seen).toEqual(["203.0.113.9"]);
    await bed.login();
    await browser.signIn("ada", PASSWORD);
    browser.dropAccessCookie();
    await browser.fetch("/orders", from);
    expect(bed.events.at(-1)).toMatchObject({ type: "session.refreshed", ip: "203.0.113.9" });
  });

  it("hands what is no refusal to the application's error handler, and no refusal", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const loadUser = (): undefined => {
      throw new Error("The user table is away.");
    };
    const app = express();
    app.get("/orders", guarded(createGuard(bed.issuer, { loadUser })), (_, res) => res.json({}));
    const told: string[] = [];
    const onError: ErrorRequestHandler = (error, _req, res, _next) => {
      told.push(error.message);
      res.status(500).json({});
    };
    app.use(onError);
    const url = await serve(app);
    expect((await fetch(`${url}/orders`)).status).toBe(401);
    expect((await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(500);
    expect(told).toEqual(["The user table is away."]);
  });

  it("renews once where a router and a route are guarded, and what a cookie parser has read before", async () => {
    const bed = await createTestBed();
    const guard = createGuard(bed.issuer);
    const app = express();
    app.use((req, _, next) => {
      const pairs = req.headers.cookie?.split("; ").map((pair) => pair.split("=")) ?? [];
      Object.assign(req, { cookies: Object.fromEntries(pairs) });
      next();
    });
    app.use(latchkey(createHandler(bed.issuer)), guarded(guard));
    app.get("/orders", guarded(guard), (req, res) => res.json({ cookies: req.cookies, of: req.auth.sub }));
    // Behind the router's guard alone, the types say that it may be missing.
    app.get("/plain", (req, res) => res.json({ of: req.auth?.sub }));
    const browser = new Browser(await serve(app));
    await bed.login();
    await browser.signIn("ada", PASSWORD);
    browser.dropAccessCookie();
    const response = await browser.fetch("/orders");
    expect(response.headers.getSetCookie()).toHaveLength(3);
    expect((await reply(response)).body.cookies).toEqual(Object.fromEntries(browser.cookies));
    expect((await reply(await browser.fetch("/plain"))).body.of).toEqual(expect.any(String));
  });

  it("types request.auth by the guard of the route, and path parameters as ever", async () => {
    const { issuer } = await createTestBed();
    const app = express();
    app.get("/:id", guarded(createGuard(issuer, { optional: true })), (req, res) => {
      // @ts-expect-error Nobody may be there.
      res.json(req.auth.sub);
    });
    app.get("/:id", (req, res) => {
      // @ts-expect-error No guard stands here.
      res.json(req.auth.sub);
    });
    app.get("/:id", guarded(createGuard(issuer, { loadUser: () => ({ name: "Ada" }) })), (req, res) => {
      const texts: string[] = [req.auth.sub, req.params.id, res.locals.user.name];
      // @ts-expect-error There is no such parameter.
      res.json([...texts, req.params.order]);
    });
    expect(app.router.stack).toHaveLength(3);
  });
});
