import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect, constants, createServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { type GuardedMessage, guardNode, type NodeListener, toNodeListener } from "../../src/adapters/node.ts";
import { createGuard } from "../../src/index.ts";
import { createTestBed, PASSWORD } from "../support/test-bed.ts";
import { type Build, describeAdapter, serve } from "./contract.ts";

function answer(response: ServerResponse, body: unknown, headers: Record<string, string | string[]> = {}): void {
  response.writeHead(200, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

const build: Build = async ({ handler, guards, mount }) => {
  const latchkey = toNodeListener(handler);
  const sub = ({ auth }: GuardedMessage<{ auth: { sub: string } }>, response: ServerResponse) =>
    answer(response, { sub: auth.sub });
  const owner = (url = "") => url.split("/").at(-1);
  const routes: Readonly<Record<string, NodeListener>> = {
    "/orders": guardNode(guards.body, sub),
    "/editors": guardNode(guards.editor, sub),
    "/mine": guardNode(guards.owner, sub, { resource: ({ url }) => owner(url) }),
    "/user": guardNode(guards.user, ({ auth }, response, { user }) => answer(response, { sub: auth.sub, ...user })),
    "/broken": guardNode(guards.broken, sub),
    "/optional": guardNode(guards.optional, ({ auth }, response) => answer(response, { sub: auth?.sub ?? null })),
    "/cookie": guardNode(guards.any, ({ headers, rawHeaders }, response) =>
      answer(response, {
        cookie: headers.cookie,
        raw: rawHeaders.filter((_, index) => rawHeaders[index - 1]?.toLowerCase() === "cookie").join("; "),
      }),
    ),
    "/fails": guardNode(guards.any, (_, response) => response.writeHead(404).end()),
    "/sets": guardNode(guards.any, (_, response) => answer(response, {}, { "set-cookie": ["own=1"] })),
    "/open": (_, response) => response.end("open"),
  };
  return serve((request, response) => {
    const path = request.url?.split("?")[0] ?? "";
    const route = routes[path.startsWith("/mine/") ? "/mine" : path];
    if (route !== undefined) return route(request, response);
    if (!path.startsWith(mount)) return response.writeHead(404).end();
    request.url = request.url!.slice(mount.length);
    return latchkey(request, response);
  });
};

describeAdapter("node:http", build, { readsBodies: false, goesOn: false });

describe("node:http alone", () => {
  it("guards HTTP/2 as well, implicit refresh included", async () => {
    const bed = await createTestBed();
    await bed.login();
    const json = { username: "ada", password: PASSWORD, transport: "cookie" };
    const { headers } = await bed.call("POST", "/auth/login", { json });
    const cookie = headers
      .getSetCookie()
      .find((line) => line.includes("-refresh"))!
      .split(";")[0]!;
    const listener = guardNode(createGuard(bed.issuer), ({ auth }, response) => answer(response, { sub: auth.sub }));
    const client = await connected((request, response) => listener(request as never, response as never));
    const get = async (fields: Record<string, string>) => {
      const [answered] = await once(client.request({ ":path": "/orders", ...fields }), "response");
      return [answered[":status"], answered["set-cookie"]?.length];
    };
    expect(await get({})).toEqual([401, undefined]);
    expect(await get({ cookie })).toEqual([200, 3]);
  });

  it("takes nobody for a thief whose stream is closed before an answer, over HTTP/2 as well", async () => {
    const bed = await createTestBed();
    const old = (await bed.login()).refresh_token;
    let newest = old;
    for (let refreshes = 0; refreshes < 2; refreshes++) {
      newest = (await bed.call("POST", "/auth/refresh", { bearer: newest })).body.refresh_token;
    }
    const listener = toNodeListener(bed.handler);
    const client = await connected((request, response) => listener(request as never, response as never));
    const first = client.request({ ":path": "/auth/refresh", ":method": "POST", authorization: `Bearer ${old}` });
    first.on("error", () => {});
    first.end(() => first.close(constants.NGHTTP2_CANCEL));
    await once(first, "close");
    // More than a refresh waits before it takes something for reuse.
    await wait(300);
    expect(bed.events.map(({ type }) => type)).not.toContain("refresh_token.reused");

    const stays = client.request({ ":path": "/auth/refresh", ":method": "POST", authorization: `Bearer ${old}` });
    stays.end();
    const [answered] = await once(stays, "response");
    expect(answered[":status"]).toBe(401);
    expect(bed.events.map(({ type }) => type)).toContain("refresh_token.reused");
  });
});

/** A client of a server of HTTP/2. */
async function connected(listener: (request: Http2ServerRequest, response: Http2ServerResponse) => void) {
  const server = createServer(listener).listen(0);
  await once(server, "listening");
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  return client;
}
