import type { ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import { guardNode } from "../../src/adapters/node.ts";
import { createGuard } from "../../src/index.ts";
import { createTestBed, PASSWORD } from "../support/test-bed.ts";
import { serve } from "./contract.ts";

type Answer = (response: ServerResponse) => void;

/** The names of the cookies that an answer sets, and the answer, behind a guard that has renewed the session's cookies. */
async function answering(answer: Answer) {
  const bed = await createTestBed();
  await bed.login();
  const { headers } = await bed.call("POST", "/auth/login", {
    json: { username: "ada", password: PASSWORD, transport: "cookie" },
  });
  const cookie = headers.getSetCookie().find((line) => line.includes("-refresh"))!;
  const url = await serve(guardNode(createGuard(bed.issuer), (_, response) => answer(response)));
  const response = await fetch(url, { headers: { cookie: cookie.split(";")[0]! } });
  await response.arrayBuffer();
  return { response, names: response.headers.getSetCookie().map((line) => line.split("=")[0]) };
}

const renewed = ["latchkey-access", "latchkey-refresh", "latchkey-csrf"];

describe("the cookies of an implicit refresh", () => {
  it.each<[string, readonly string[], Answer]>([
    ["nothing but an end", [], (response) => response.end()],
    ["a first write", [], (response) => response.write("x") && response.end()],
    ["flushed headers", [], (response) => response.flushHeaders() ?? response.end()],
    ["fields set before", ["a", "b"], (response) => response.setHeader("set-cookie", ["a=1", "b=1"]).end()],
    ["fields in an object", ["a"], (response) => response.writeHead(200, { "SET-Cookie": "a=1", "X-Own": "1" }).end()],
    [
      "an object beside a reason",
      ["a"],
      (response) => response.writeHead(200, "Fine", { "set-cookie": ["a=1"] }).end(),
    ],
    [
      "fields in a flat list",
      ["a", "b"],
      (response) => response.writeHead(200, ["Set-Cookie", "a=1", "Set-Cookie", "b=1"]).end(),
    ],
    [
      "an object that replaces fields set before",
      ["b"],
      (response) => response.setHeader("set-cookie", "a=1").writeHead(200, { "set-cookie": "b=1" }).end(),
    ],
  ])("go out with %s", async (_, own, answer) => {
    const { response, names } = await answering(answer);
    expect([response.status, names]).toEqual([200, [...own, ...renewed]]);
    expect(response.headers.get("cache-control")).toBe("no-store");
  });

  it.each<[string, Answer]>([
    ["set before", (to) => to.setHeader("Cache-Control", "public").setHeader("Expires", "0").end()],
    ["in an object", (to) => to.writeHead(200, { "CACHE-control": "public", "CDN-Cache-Control": "max-age=60" }).end()],
    ["in a flat list", (to) => to.writeHead(200, ["cache-Control", "public", "Surrogate-Control", "max-age=60"]).end()],
    [
      "of one kind of proxy",
      (to) => to.writeHead(304, { "X-Accel-Expires": "60", "Vercel-CDN-Cache-Control": "s" }).end(),
    ],
  ])("are kept by no cache, whatever fields are %s", async (_, answer) => {
    const { response, names } = await answering(answer);
    expect(names).toEqual(renewed);
    const caching = [...response.headers].filter(([name]) => /cache|expires|surrogate/.test(name));
    expect(caching).toEqual([["cache-control", "no-store"]]);
  });

  it("leave an answer alone that says by itself what becomes of the session's cookies, as a logout does", async () => {
    const { response, names } = await answering((to) =>
      to.writeHead(200, { "set-cookie": ["latchkey-access=; Max-Age=0", "latchkey-refresh=; Max-Age=0"] }).end(),
    );
    expect(names).toEqual(["latchkey-access", "latchkey-refresh"]);
    expect(response.headers.get("cache-control")).toBe("no-store");
  });

  it("leave every other field as it was given, repeated ones too", async () => {
    const { response } = await answering((to) =>
      to.writeHead(201, "Fine", ["X-One", "1", "Link", "a", "Link", "b", "Content-Length", "0"]).end(),
    );
    expect([response.status, response.statusText]).toEqual([201, "Fine"]);
    expect(Object.fromEntries(response.headers)).toMatchObject({ "x-one": "1", link: "a, b", "content-length": "0" });
  });

  it.each([400, 401, 404, 500])("stay away from an answer of %s", async (status) => {
    const { response, names } = await answering((to) => to.writeHead(status, { "x-own": "1" }).end());
    expect([response.status, response.headers.get("x-own"), names]).toEqual([status, "1", []]);
  });
});
