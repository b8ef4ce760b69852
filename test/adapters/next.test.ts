import { getRequestListener } from "@hono/node-server";
import { NextRequest, NextResponse } from "next/server.js";
import { describe, expect, it, vi } from "vitest";
import { guarded, latchkey, renewed, shared } from "../../src/adapters/next.ts";
import { createGuard } from "../../src/index.ts";
import { createTestBed, ISSUER, PASSWORD } from "../support/test-bed.ts";
import { type Build, describeAdapter, serve } from "./contract.ts";

interface Of {
  readonly params: Promise<{ owner: string }>;
}

const build: Build = async ({ handler, guards }) => {
  const sub = guarded(guards.any, ({ auth }) => Response.json({ sub: auth.sub }));
  const all = latchkey(() => handler);
  const routes: Readonly<Record<string, (request: NextRequest, context: Of) => Promise<Response> | Response>> = {
    "GET /orders": sub,
    "POST /orders": sub,
    "GET /editors": guarded(guards.editor, ({ auth }) => Response.json({ sub: auth.sub })),
    "GET /mine": guarded(guards.owner, ({ auth }, _: Of) => Response.json({ sub: auth.sub }), {
      resource: async (_, { params }) => (await params).owner,
    }),
    "GET /user": guarded(guards.user, ({ auth }, _, { user }) => Response.json({ sub: auth.sub, name: user.name })),
    "GET /broken": guarded(guards.broken, ({ auth }) => Response.json({ sub: auth.sub })),
    "GET /optional": guarded(
      async () => guards.optional,
      ({ auth }) => Response.json({ sub: auth?.sub ?? null }),
    ),
    "GET /cookie": guarded(guards.any, ({ headers, cookies }) =>
      Response.json({ cookie: headers.get("cookie"), parsed: cookies.toString() }),
    ),
    "GET /fails": guarded(guards.any, () => Response.json({}, { status: 404 })),
    "GET /sets": guarded(guards.any, () => Response.json({}, { headers: { "set-cookie": "own=1" } })),
    "GET /open": () => new Response("open"),
  };
  return serve(
    getRequestListener(
      (raw, { incoming }) => {
        const { url, method, headers, body, signal } = raw;
        const request = new NextRequest(url, { method, headers, body, signal });
        const [, first = "", owner = ""] = request.nextUrl.pathname.split("/");
        const own = routes[`${request.method} /${first}`];
        if (own !== undefined) return own(request, { params: Promise.resolve({ owner }) });
        const { remoteAddress } = (incoming as { socket: { remoteAddress?: string } }).socket;
        return latchkey(handler, { ip: () => remoteAddress })[request.method as keyof typeof all](request, undefined);
      },
      { overrideGlobalObjects: false },
    ),
  );
};

describeAdapter("Next.js", build, { readsBodies: false, goesOn: false });

describe("Next.js alone", () => {
  async function signedInWithoutAccessCookie() {
    const bed = await createTestBed();
    await bed.login();
    const { headers, body } = await bed.call("POST", "/auth/login", {
      json: { username: "ada", password: PASSWORD, transport: "cookie" },
    });
    const cookie = headers
      .getSetCookie()
      .find((line) => line.includes("-refresh"))!
      .split(";")[0]!;
    const visitors = createGuard(bed.issuer, { optional: true });
    const ask = (path = "/", init: RequestInit = {}) =>
      new NextRequest(ISSUER + path, {
        method: init.method ?? "GET",
        headers: { cookie: `theme=dark; ${cookie}`, ...(init.headers as Record<string, string>) },
      });
    return { cookie, visitors, ask, csrfToken: body.csrf_token as string };
  }
  const cookieNames = ({ headers }: Response) => headers.getSetCookie().map((line) => line.split("=")[0]);
  const all = ["latchkey-access", "latchkey-refresh", "latchkey-csrf"];

  it("renews in the proxy: the new cookies go to the browser and to what is rendered, beside the others", async () => {
    const { cookie, visitors, ask } = await signedInWithoutAccessCookie();
    const response = await renewed(visitors)(ask());
    expect(cookieNames(response)).toEqual(all);
    expect(response.headers.get("x-middleware-next")).toBe("1");
    const rendered = response.headers.get("x-middleware-request-cookie") ?? "";
    for (const line of response.headers.getSetCookie()) expect(rendered.split("; ")).toContain(line.split(";")[0]);
    expect(rendered).toContain("theme=dark");
    expect(rendered).not.toContain(cookie);
  });

  it("shares one rotation among parallel requests in the proxy", async () => {
    const { visitors, ask } = await signedInWithoutAccessCookie();
    const answers = await Promise.all(Array.from({ length: 6 }, () => renewed(visitors)(ask())));
    const refresh = answers.map(({ headers }) => headers.getSetCookie().find((line) => line.includes("-refresh")));
    expect(new Set(refresh).size).toBe(1);
    expect(refresh[0]).toBeDefined();
  });

  it("hands a request on as it is where there is nothing to renew, or the guard would refuse it", async () => {
    const { visitors, ask, csrfToken } = await signedInWithoutAccessCookie();
    const proxy = renewed(visitors);
    const untouched = async (request: NextRequest) => {
      const response = await proxy(request);
      expect(cookieNames(response)).toEqual([]);
      expect(response.headers.get("x-middleware-next")).toBe("1");
      expect(response.headers.get("x-middleware-request-cookie")).toBe(request.headers.get("cookie"));
    };
    await untouched(new NextRequest(`${ISSUER}/`));
    await untouched(ask("/", { headers: { authorization: "Bearer garbage" } }));
    await untouched(ask("/", { method: "POST" }));
    await untouched(
      ask("/", { method: "POST", headers: { "x-csrf-token": csrfToken, origin: "https://evil.example" } }),
    );
    await untouched(ask("/auth/logout", { method: "POST", headers: { "x-csrf-token": csrfToken } }));
    await untouched(ask("/id/auth/me"));
    expect(cookieNames(await proxy(ask("/", { method: "POST", headers: { "x-csrf-token": csrfToken } })))).toEqual(all);
  });

  it("deletes in the proxy what cannot be a refresh cookie, and keeps one that this server does not know", async () => {
    const { visitors, ask, cookie } = await signedInWithoutAccessCookie();
    const strict = createGuard((await createTestBed()).issuer);
    for (const guard of [visitors, strict]) {
      const garbage = await renewed(guard)(ask("/", { headers: { cookie: "latchkey-refresh=garbage" } }));
      expect(garbage.headers.getSetCookie().filter((line) => line.includes("=; Max-Age=0;"))).toHaveLength(3);
      expect(garbage.headers.get("x-middleware-next")).toBe("1");
      const unknown = await renewed(guard)(ask("/", { headers: { cookie: `${cookie.slice(0, -4)}AAAA` } }));
      expect(cookieNames(unknown)).toEqual([]);
    }
  });

  it("leaves a request that an access token speaks for, with or without a DPoP proof, to the guard behind", async () => {
    const { ask } = await signedInWithoutAccessCookie();
    const guard = vi.fn();
    for (const headers of [{ authorization: "DPoP token", dpop: "proof" }, { authorization: "Bearer token" }]) {
      expect(cookieNames(await renewed(guard)(ask("/", { headers })))).toEqual([]);
    }
    expect(guard).not.toHaveBeenCalled();
  });

  it("renews whatever the query of a page holds, and under a basePath", async () => {
    const { visitors, ask } = await signedInWithoutAccessCookie();
    expect(cookieNames(await renewed(visitors)(ask("/reset?token=abc")))).toEqual(all);
    const under = new NextRequest(`${ISSUER}/shop/orders`, {
      headers: ask().headers,
      nextConfig: { basePath: "/shop" },
    });
    const seen: string[] = [];
    await renewed(visitors, (request) => {
      seen.push(request.nextUrl.basePath, request.nextUrl.pathname);
      return NextResponse.next({ request });
    })(under);
    expect(seen).toEqual(["/shop", "/orders"]);
  });

  it("lets the application's own proxy see the new cookies and answer, and keeps them from its errors", async () => {
    const { visitors, ask, cookie } = await signedInWithoutAccessCookie();
    const seen: string[] = [];
    const redirect = await renewed(visitors, (request) => {
      seen.push(request.cookies.get("latchkey-refresh")?.value ?? "");
      return Response.redirect(`${ISSUER}/en`);
    })(ask());
    expect([redirect.status, redirect.headers.get("location")]).toEqual([302, `${ISSUER}/en`]);
    expect(cookieNames(redirect)).toEqual(all);
    expect(seen).toHaveLength(1);
    expect(cookie).not.toContain(seen[0]);
    const failed = await renewed(visitors, () => new Response(null, { status: 404 }))(ask());
    expect(cookieNames(failed)).toEqual([]);
  });

  it("keeps the body readable behind a guard that has renewed the cookies", async () => {
    const { visitors, ask, csrfToken } = await signedInWithoutAccessCookie();
    const echo = guarded(visitors, async (request) => Response.json({ body: await request.text() }));
    const { headers } = ask("/", { headers: { "x-csrf-token": csrfToken } });
    const request = new NextRequest(`${ISSUER}/echo`, { method: "POST", headers, body: "kept" });
    const answer = await echo(request, undefined);
    expect(await answer.json()).toEqual({ body: "kept" });
    expect(cookieNames(answer)).toEqual(all);
  });

  it("makes a shared value once, however many ask, and again only after a failure", async () => {
    const create = vi.fn().mockRejectedValueOnce(new Error("The database is away.")).mockResolvedValue({});
    const [one, other] = [shared("next-test", create), shared("next-test", create)];
    await expect(one()).rejects.toThrow("away");
    const [first, second] = await Promise.all([one(), other()]);
    expect(first).toBe(second);
    expect(await other()).toBe(first);
    expect(create).toHaveBeenCalledTimes(2);
  });

  it("opens nothing before a request comes", () => {
    const open = vi.fn();
    latchkey(open);
    guarded(open, () => new Response());
    renewed(open);
    expect(open).not.toHaveBeenCalled();
  });

  it("types request.auth by the guard", async () => {
    const { issuer } = await createTestBed();
    const optional = createGuard(issuer, { optional: true });
    // @ts-expect-error Nobody may be there.
    guarded(optional, ({ auth }) => new Response(auth.sub));
    const loaded = createGuard(issuer, { loadUser: () => ({ name: "Ada" }) });
    const route = guarded(loaded, ({ auth }, _: Of, { user }) => new Response(auth.sub + user.name));
    // @ts-expect-error The context is that of the route's handler.
    expect(() => route(new NextRequest(ISSUER), { params: 1 })).toBeTypeOf("function");
  });
});
