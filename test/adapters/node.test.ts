import type { ServerResponse } from "node:http";
import { type GuardedMessage, guardNode, type NodeListener, toNodeListener } from "../../src/adapters/node.ts";
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
      answer(response, { cookie: headers.cookie, raw: rawHeaders[rawHeaders.indexOf("Cookie") + 1] }),
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
