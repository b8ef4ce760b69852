import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createTestBed } from "../support/test-bed.ts";
import { UNDERSCORED } from "./asked.ts";

const page = readFileSync(new URL("../../docs/forward-auth.md", import.meta.url), "utf8");
const recipe = /^```yaml\n(.*?)^```$/ms.exec(page)![1]!;
const listOf = (name: string) => new RegExp(`${name}: \\[(.*)\\]`).exec(recipe)![1]!.split(", ");

// Traefik is in no package that the tests can install, so it is not run.
describe("the documented configuration of Traefik", () => {
  it("takes over every header that says whose a request is, and every cookie that is renewed", async () => {
    const bed = await createTestBed({ issuer: "https://app.example.com" });
    const pair = await bed.login();
    const { headers } = await bed.call("GET", "/auth/verify", { bearer: pair.access_token });
    const identity = [...headers.keys()].filter((name) => name.startsWith("x-auth-"));
    expect(
      listOf("authResponseHeaders")
        .map((name) => name.toLowerCase())
        .sort(),
    ).toEqual(identity.sort());
    const login = await bed.call("POST", "/auth/login", {
      json: { username: "ada", password: "correct horse battery staple", transport: "cookie" },
    });
    const renewed = login.headers.getSetCookie().map((line) => line.split("=")[0]!);
    expect(listOf("addAuthCookiesToResponse").sort()).toEqual(
      renewed.filter((name) => !name.endsWith("-device")).sort(),
    );
  });

  it("removes each of these headers in every spelling with underscores, before it asks", () => {
    const removed = [...recipe.matchAll(/^ {10}(\S+): ""$/gm)].map(([, name]) => name!);
    expect(removed.sort()).toEqual([...UNDERSCORED].sort());
    expect(listOf("middlewares")).toEqual(["no-underscores", "latchkey"]);
  });
});
