import { describe, expect, it } from "vitest";
import { createHandler } from "../../src/index.ts";
import { createTestBed } from "../support/test-bed.ts";

describe("the options of createHandler", () => {
  it("are refused where they are unknown, naming the one that was meant, or of the wrong type, all of them at once", async () => {
    const { issuer } = await createTestBed();
    const make = (options: object) => () => createHandler(issuer, options);
    for (const [options, message] of [
      [{ allowedOrigin: [] }, "Unknown option 'allowedOrigin'. Did you mean 'allowedOrigins'?"],
      [{ secret: "x" }, "Unknown option 'secret'."],
      [{ passwordGrant: "off" }, "Option 'passwordGrant' must be true or false."],
      [{ allowedOrigins: "https://app.example.com" }, "Option 'allowedOrigins' must be a list of strings."],
      [{ allowedOrigins: [null] }, "Option 'allowedOrigins' must be a list of strings."],
      [{ trustedProxies: "10.0.0.0/8" }, "Option 'trustedProxies' must be a list of strings."],
      [{ hsts: "max-age=60" }, "Option 'hsts' requires an https issuer: browsers ignore it on plain http. Omit it."],
      [{ isReady: true }, "Option 'isReady' must be a function."],
      [{ onRequest: null }, "Option 'onRequest' must be a function."],
      [
        { onError: {}, passwordGrant: 1, is_ready: 1 },
        "Unknown option 'is_ready'. Did you mean 'isReady'?\nOption 'onError' must be a function.\nOption 'passwordGrant' must be true or false.",
      ],
    ] as const) {
      expect(make(options)).toThrow(new TypeError(message));
    }
  });

  it.each([
    "max-age=31536000",
    "max-age=0",
    "max-age=63072000; includeSubDomains",
    "Max-Age=63072000 ;INCLUDESUBDOMAINS",
    "preload; includeSubDomains; max-age=31536000",
  ])("hsts accepts '%s'", async (hsts) => {
    const { issuer } = await createTestBed({ issuer: "https://auth.example.com" });
    const { headers } = await createHandler(issuer, { hsts }).fetch(new Request("https://auth.example.com/livez"));
    expect(headers.get("strict-transport-security")).toBe(hsts);
  });

  it.each([
    "",
    "on",
    "OFF",
    "true",
    "31536000",
    "max-age",
    "max-age=",
    "max-age=-1",
    "max-age=1y",
    "max-age=1; max-age=2",
    "max-age=31536000;",
    "includeSubDomains",
    "max-age=1; includeSubDomains; includesubdomains",
    "max-age=1; includeSubDomains=true",
    "max-age=1, includeSubDomains",
    "max-age=1; report-uri=x",
    "max-age=1\r\nset-cookie: a=b",
    "max-age=31536000; preload",
    "max-age=31535999; includeSubDomains; preload",
    1,
    false,
    null,
  ])("hsts refuses %j", async (hsts) => {
    const { issuer } = await createTestBed({ issuer: "https://auth.example.com" });
    expect(() => createHandler(issuer, { hsts } as object)).toThrow("Option 'hsts' must ");
  });

  it("may be left out, or undefined", async () => {
    const { issuer } = await createTestBed();
    const nothing = Object.fromEntries(
      ["passwordGrant", "allowedOrigins", "trustedProxies", "hsts", "isReady", "onRequest", "onError"].map((name) => [
        name,
        undefined,
      ]),
    );
    for (const handler of [createHandler(issuer), createHandler(issuer, nothing)]) {
      expect((await handler.fetch(new Request("http://127.0.0.1:4000/readyz"))).status).toBe(200);
    }
  });

  it("have every request told to onRequest, without the query, once it is answered", async () => {
    const entries: unknown[] = [];
    const bed = await createTestBed({}, { onRequest: (entry) => entries.push(entry), trustedProxies: ["10.0.0.1"] });
    const headers = { "x-request-id": "request-1", "x-forwarded-for": "198.51.100.7" };
    await bed.call("GET", "/auth/me?access_token=secret", { headers, ip: "10.0.0.1" });
    expect(entries).toEqual([
      { requestId: "request-1", method: "GET", path: "/auth/me", status: 400, durationMs: 0, ip: "198.51.100.7" },
    ]);
  });
});
