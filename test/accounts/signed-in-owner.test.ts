import { describe, expect, it } from "vitest";
import { createTestBed, PASSWORD, type Pair, type TestBed } from "../support/test-bed.ts";

const OTHER_PASSWORD = "seven green bottles on a wall";

async function attacked(): Promise<{ bed: TestBed; pair: Pair }> {
  const bed = await createTestBed();
  const pair = await bed.login("ada");
  for (let nth = 0; nth < 101; nth++) {
    const json = { username: "ada", password: "a wrong password" };
    await bed.call("POST", "/auth/login", { json, ip: `100.64.1.${nth}` });
  }
  return { bed, pair };
}

const logIn = (bed: TestBed, password: string, device_token?: string, ip = "203.0.113.9") =>
  bed.call("POST", "/auth/login", { json: { username: "ada", password, device_token }, ip });

describe("an account whose name strangers have used up", () => {
  it("lets a live access token reauthenticate and change the password, and a known device sign in by its token", async () => {
    const { bed, pair } = await attacked();
    expect((await logIn(bed, PASSWORD)).status).toBe(429);
    const device = await logIn(bed, PASSWORD, pair.device_token);
    expect([device.status, device.body.device_token]).toEqual([200, expect.stringMatching(/^[\w-]{64}$/)]);
    const call = { json: { password: PASSWORD }, bearer: pair.access_token, ip: "203.0.113.5" };
    expect((await bed.call("POST", "/auth/reauthenticate", call)).status).toBe(200);
    const json = { current_password: PASSWORD, new_password: OTHER_PASSWORD };
    const changed = await bed.call("POST", "/auth/password", { ...call, json });
    expect(changed.status).toBe(200);
    expect((await logIn(bed, OTHER_PASSWORD, pair.device_token)).status).toBe(429);
    expect((await logIn(bed, OTHER_PASSWORD, changed.body.device_token)).status).toBe(200);
  });

  it("is open to an address that a session was last refreshed from, and to no other", async () => {
    const { bed, pair } = await attacked();
    const ip = "198.51.100.9";
    expect((await logIn(bed, PASSWORD, undefined, ip)).status).toBe(429);
    const refreshed = await bed.call("POST", "/auth/refresh", { json: { refresh_token: pair.refresh_token }, ip });
    expect(refreshed.status).toBe(200);
    expect((await logIn(bed, PASSWORD, undefined, ip)).status).toBe(200);
    expect((await logIn(bed, PASSWORD)).status).toBe(429);
  });
});

it("ten tries to prove a password inside a session are one session's, right or wrong", async () => {
  const bed = await createTestBed();
  const { access_token: bearer } = await bed.login("ada");
  const other = await bed.login("ada");
  const prove = async (password: string, token = bearer) =>
    (await bed.call("POST", "/auth/reauthenticate", { json: { password }, bearer: token })).status;
  for (let nth = 0; nth < 10; nth++) expect(await prove("a wrong password")).toBe(403);
  expect(await prove(PASSWORD)).toBe(429);
  expect(await prove(PASSWORD, other.access_token)).toBe(200);
});
