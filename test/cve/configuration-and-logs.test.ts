import { describe, expect, it } from "vitest";
import { createGuard, createHandler, type GuardOptions, type IssuerOptions } from "../../src/index.ts";
import { readConfig } from "../../src/server/settings/config.ts";
import { PASSWORD, serve } from "../support/server-in-process.ts";
import { createTestBed, ISSUER } from "../support/test-bed.ts";

const broken = async () => {
  throw new Error("The table of users is away.");
};

describe("a wrong configuration", () => {
  it("CVE-2026-73421 next-auth: lets nobody in: nothing starts with it, and what fails later is no admission", async () => {
    for (const wrong of [
      { issuer: "" },
      { secret: "" },
      { secret: undefined },
      { audience: [] },
      { accessTtlSeconds: -1 },
      { registration: "off" },
    ]) {
      await expect(createTestBed(wrong as unknown as Partial<IssuerOptions>)).rejects.toThrow(TypeError);
    }
    for (const variables of [
      { LATCHKEY_REGISTRATION: "no" },
      { LATCHKEY_SECERT: "x" },
      { LATCHKEY_ISSUER: "auth" },
      { LATCHKEY_HOST: "0.0.0.0" },
    ]) {
      expect(readConfig(variables)).toHaveProperty("problems");
    }
    const bed = await createTestBed();
    const { access_token } = await bed.login();
    const request = (token = access_token) =>
      new Request(`${ISSUER}/orders`, { headers: { authorization: `Bearer ${token}` } });
    for (const wrong of [
      { roles: "admin" },
      { role: "" },
      { role: [] },
      { scope: "" },
      { scope: { all: "orders:read" } },
      { policy: [] },
      { freshForSeconds: Number.NaN },
      { optional: "no" },
      { isRevoked: true },
    ]) {
      expect(() => createGuard(bed.issuer, wrong as GuardOptions)).toThrow(TypeError);
    }
    expect(() => createHandler(bed.issuer, { allowedOrigin: ["https://a.example"] } as object)).toThrow(TypeError);
    for (const optional of [false, true]) {
      for (const failing of [{ isRevoked: broken }, { loadUser: broken }, { policy: broken }]) {
        await expect(createGuard(bed.issuer, { optional, ...failing }).admit(request())).rejects.toThrow();
      }
      await expect(createGuard(bed.issuer, { optional }).admit(request("undefined"))).rejects.toThrow();
    }
  });
});

describe("the log", () => {
  it("CVE-2026-123512 Vikunja: holds no token that a client has put into a URL, which is refused as well", async () => {
    const server = await serve({ LATCHKEY_LOG_LEVEL: "trace" });
    const { body: pair } = await server.signIn();
    const credentials = [pair.access_token, pair.refresh_token, PASSWORD];
    for (const credential of credentials) {
      const text = encodeURIComponent(credential);
      for (const name of ["token", "access_token", "auth", "refresh_token", "password"]) {
        expect((await server.get(`/auth/me?${name}=${text}`)).status).toBeGreaterThanOrEqual(400);
        await server.post(`/auth/refresh?${name}=${text}`, {});
        await server.get(`/unknown?${name}=${text}`);
      }
    }
    const log = server.log.join("");
    expect(log).toContain('"path":"/auth/me"');
    for (const credential of credentials) {
      expect(log.includes(credential) || log.includes(encodeURIComponent(credential))).toBe(false);
      expect(log).not.toContain(credential.slice(-20));
    }
  });
});
