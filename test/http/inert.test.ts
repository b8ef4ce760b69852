import { describe, expect, it } from "vitest";
import { routes } from "../../src/http/routes.ts";
import { pathOf } from "../support/route-table.ts";
import { createTestBed, PASSWORD } from "../support/test-bed.ts";

const scripts = [
  "<script>alert(1)</script>",
  "\"><img src=x onerror='alert(1)'>",
  "</script><svg onload=alert(1)>",
  "javascript:alert(1)",
  "{{constructor.constructor('alert(1)')()}}",
];

describe("what a user has chosen", () => {
  it("SECURITY 94: is shown as JSON alone, which no browser sniffs or runs, and stands in no page, whatever it holds", async () => {
    const bed = await createTestBed({ registration: "open" });
    const pages = routes.filter(({ success }) => success.contentType === "text/html");
    expect(pages.length).toBeGreaterThan(1);
    const plain = await Promise.all(pages.map(async (route) => (await bed.call("GET", pathOf(route))).text));
    for (const script of scripts) {
      const headers = { "user-agent": script, referer: script, cookie: `latchkey-csrf=${encodeURIComponent(script)}` };
      const refused = await bed.call("POST", "/auth/register", {
        json: { username: script, password: PASSWORD },
        headers,
      });
      await bed.issuer.users.create({ username: `user${scripts.indexOf(script)}'--`, password: PASSWORD, roles: [] });
      const json = { username: `user${scripts.indexOf(script)}'--`, password: PASSWORD, device: script };
      const { body } = await bed.call("POST", "/auth/login", { json, headers });
      const own = { bearer: body.access_token, headers };
      const listed = await bed.call("GET", "/auth/sessions", own);
      expect(listed.body.sessions).toMatchObject([{ device: script, user_agent: script }]);
      const unknown = await bed.call("GET", `/${encodeURIComponent(script)}?q=${encodeURIComponent(script)}`, own);
      for (const { headers: sent } of [refused, listed, unknown, await bed.call("GET", "/auth/me", own)]) {
        expect(
          ["content-type", "x-content-type-options", "content-security-policy"].map((name) => sent.get(name)),
        ).toEqual(["application/json", "nosniff", "default-src 'none'; frame-ancestors 'none'"]);
      }
      for (const [at, route] of pages.entries()) {
        const { text } = await bed.call("GET", `${pathOf(route)}?q=${encodeURIComponent(script)}`, own);
        expect(text).toBe(plain[at]);
      }
    }
  });
});
