import { describe, expect, it } from "vitest";
import { takesAccessToken } from "../../src/http/endpoint.ts";
import { routes } from "../../src/http/routes.ts";
import { CookieJar } from "../support/cookie-jar.ts";
import { newPath } from "../support/places.ts";
import { methodOf, nameOf, pathOf } from "../support/route-table.ts";
import { dumpDatabase } from "../support/store-dump.ts";
import { createTestBed, PASSWORD, type Reply, type TestBed } from "../support/test-bed.ts";

const HOME = "198.51.100.7";
const ELSEWHERE = "203.0.113.9";

interface Attempt {
  readonly username?: string;
  readonly password?: string;
  readonly ip?: string;
  readonly device?: string;
  readonly transport?: "body" | "cookie";
}

function logIn(bed: TestBed, { device, ip = HOME, ...given }: Attempt = {}): Promise<Reply> {
  const json = { username: "ada", password: PASSWORD, ...given };
  const headers = device === undefined ? {} : { cookie: `latchkey-device=${device}` };
  return bed.call("POST", "/auth/login", { json, ip, headers });
}

/** The failures that are let through to the password of an account within the hour. */
const LET_THROUGH = 100;

/** Fails with each account from ever new addresses; gives the status of every answer, and the last answers. */
async function attack(bed: TestBed, times: number, accounts: readonly string[], from = 0) {
  const statuses: number[] = [];
  let last: Reply[] = [];
  for (let sent = 0; sent < times; ) {
    // One by one while they are hashed, so that none is turned away for being too many.
    const length = from + sent < LET_THROUGH ? 1 : 50;
    const first = from + sent;
    sent += length;
    const burst = Array.from({ length }, (_, nth) => {
      const index = first + nth;
      const ip = `100.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
      return accounts.map((username) => logIn(bed, { username, password: "not the password", ip }));
    });
    const answers = await Promise.all(burst.flat());
    last = answers.slice(-accounts.length);
    statuses.push(...answers.map(({ status }) => status));
  }
  return { statuses, last };
}

async function signIn(bed: TestBed, ip = HOME): Promise<CookieJar> {
  if ((await bed.store.findUserByUsername("ada")) === null) {
    await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: ["admin"] });
  }
  const { status, headers } = await logIn(bed, { transport: "cookie", ip });
  expect(status).toBe(200);
  return new CookieJar().take(headers);
}

/** What of an answer does not differ from one request to the next by design. */
function face({ status, text, headers }: Reply): unknown {
  const fields = [...headers].filter(([name]) => name !== "x-request-id" && name !== "retry-after");
  return { status, text: text.replace(/\d+ s/, "N s"), fields };
}

describe("a recognised device", () => {
  it("SECURITY 23, PARITY 39, GHSA-cq42-vhv7-xr7p Keycloak: 10,000 hostile failures never block the owner", async () => {
    const bed = await createTestBed();
    const device = (await signIn(bed)).get("device");
    let hashed = 0;
    for (let round = 0; round < 10; round++) {
      const { statuses, last } = await attack(bed, 1000, round === 0 ? ["ada", "nobody"] : ["ada"], round * 1000);
      hashed += statuses.filter((status) => status === 401).length;
      if (round === 0) {
        const [known, unknown] = last as [Reply, Reply];
        expect(known.status).toBe(429);
        expect(face(known)).toEqual(face(unknown));
      }
      // The device from wherever it is, and whoever is where the account has a session.
      expect((await logIn(bed, { device, ip: `192.0.2.${round}` })).status).toBe(200);
      expect((await logIn(bed, { ip: HOME })).status).toBe(200);
      // For others the right password changes nothing, so that nothing is learnt about it.
      const stranger = await logIn(bed, { ip: ELSEWHERE });
      const wrong = await logIn(bed, { ip: ELSEWHERE, password: "not the password" });
      expect([stranger.status, face(stranger)]).toEqual([429, face(wrong)]);
    }
    expect(hashed).toBe(200);
  }, 120_000);

  it("has ten failures in a quarter of an hour like any other, wherever it is: who steals the cookie gets no more", async () => {
    const bed = await createTestBed();
    const device = (await signIn(bed)).get("device");
    await attack(bed, 100, ["ada"]);
    const statuses: number[] = [];
    for (let index = 0; index < 14; index++) {
      statuses.push((await logIn(bed, { device, password: "a guess", ip: `192.0.2.${index}` })).status);
    }
    expect(statuses).toEqual([...Array(10).fill(401), ...Array(4).fill(429)]);
    expect((await logIn(bed, { device, ip: ELSEWHERE })).status).toBe(429);
    // The owner at home is another matter.
    expect((await logIn(bed)).status).toBe(200);
  });

  it("is one of one account: another's cookie, a forged one and one that has expired recognise nobody", async () => {
    const bed = await createTestBed();
    const device = (await signIn(bed)).get("device");
    await bed.issuer.users.create({ username: "mallory", password: PASSWORD, roles: [] });
    const answer = await logIn(bed, { username: "mallory", transport: "cookie", ip: ELSEWHERE });
    const another = new CookieJar().take(answer.headers).get("device");
    await attack(bed, 100, ["ada"]);
    const foreign = await signIn(await createTestBed({ secret: "Zt4nVb8xQm2cLr6wPk0sHd3fJy7gUa5eTi9oXq1zBvN" }));
    for (const wrong of [another, foreign.get("device"), `${device}A`, device.slice(1), "A".repeat(64)]) {
      expect((await logIn(bed, { device: wrong, ip: ELSEWHERE })).status).toBe(429);
    }
    expect((await logIn(bed, { device, ip: ELSEWHERE })).status).toBe(200);
    bed.clock.advanceSeconds(400 * 86_400);
    expect((await logIn(bed, { device, ip: ELSEWHERE })).status).toBe(429);
  });

  it("is needed neither where the password is proved again nor where it is changed, and is recognised after that", async () => {
    const bed = await createTestBed();
    const jar = await signIn(bed);
    await attack(bed, 100, ["ada"]);
    const post = (path: string, json: object, cookies: CookieJar) =>
      bed.call("POST", path, {
        json,
        ip: ELSEWHERE,
        headers: { ...cookies.header(), "x-csrf-token": cookies.get("csrf") },
      });
    const change = { current_password: PASSWORD, new_password: "another battery staple horse" };
    expect((await logIn(bed, { ip: ELSEWHERE })).status).toBe(429);
    const again = await post("/auth/reauthenticate", { password: PASSWORD }, jar.copy().drop("device"));
    expect([again.status, again.headers.getSetCookie().length]).toEqual([200, 3]);
    const changedThere = await post("/auth/password", change, jar.take(again.headers));
    expect(changedThere.status).toBe(200);
    jar.take(changedThere.headers);
    // And stays recognised afterwards: the cookie tells devices apart, no more.
    const changed = { device: jar.get("device"), ip: ELSEWHERE, password: change.new_password };
    expect((await logIn(bed, changed)).status).toBe(200);
  });

  it("is recognised by no session that has ended, and by no address that merely looks alike", async () => {
    const bed = await createTestBed();
    const jar = await signIn(bed, "2001:db8:1:2::7");
    await attack(bed, 100, ["ada"]);
    expect((await logIn(bed, { ip: "2001:db8:1:3::7" })).status).toBe(429);
    const another = await logIn(bed, { ip: "2001:db8:1:2:ffff::1" });
    expect(another.status).toBe(200);
    await bed.issuer.logout(another.body.refresh_token);
    await bed.issuer.logout(jar.get("refresh"));
    expect((await logIn(bed, { ip: "2001:db8:1:2::7" })).status).toBe(429);
  });

  it("is looked for in the same time where there is such a user, with or without sessions, and where there is none", async () => {
    const bed = await createTestBed();
    await signIn(bed);
    for (let nth = 0; nth < 20; nth++) await logIn(bed);
    await attack(bed, 100, ["ada", "nobody"]);
    const times: { readonly known: boolean; readonly took: number }[] = [];
    for (let round = 0; round < 100; round++) {
      for (const known of round % 2 === 0 ? [true, false] : [false, true]) {
        const before = performance.now();
        const { status } = await logIn(bed, { username: known ? "ada" : "nobody", ip: `192.0.2.${round}` });
        times.push({ known, took: performance.now() - before });
        expect(status).toBe(429);
      }
    }
    // The share of pairs in which the known user's answer came later: a half where time tells nothing, above 0.9 without care.
    const ranked = times.toSorted((one, other) => one.took - other.took);
    const ranks = ranked.flatMap(({ known }, index) => (known ? [index + 1] : []));
    const later = (ranks.reduce((sum, rank) => sum + rank, 0) - (100 * 101) / 2) / (100 * 100);
    expect(Math.abs(later - 0.5)).toBeLessThan(0.2);
  }, 60_000);

  it("with an address that is not known is nobody's", async () => {
    const bed = await createTestBed();
    await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
    await bed.issuer.login({ username: "ada", password: PASSWORD });
    await attack(bed, 100, ["ada"]);
    await expect(bed.issuer.login({ username: "ada", password: PASSWORD })).rejects.toMatchObject({
      code: "too_many_requests",
    });
  });
});

describe("the device cookie", () => {
  it("is set by a sign-in with cookies and by nothing else, HttpOnly, Secure and __Host-, for 400 days", async () => {
    const bed = await createTestBed({ issuer: "https://auth.example.com", registration: "open" });
    const json = { username: "grace", password: PASSWORD, transport: "cookie" };
    const registered = await bed.call("POST", "/auth/register", { json });
    const answer = await bed.call("POST", "/auth/login", { json });
    for (const { headers } of [registered, answer]) {
      expect(headers.getSetCookie().filter((line) => line.includes("-device="))).toEqual([
        expect.stringMatching(
          /^__Host-latchkey-device=[\w-]{64}; Max-Age=34560000; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
        ),
      ]);
    }
    const jar = new CookieJar().take(answer.headers);
    const headers = { ...jar.header(), "x-csrf-token": jar.get("csrf") };
    const inBody = await bed.call("POST", "/auth/login", { json: { ...json, transport: "body" } });
    const failed = await bed.call("POST", "/auth/login", { json: { ...json, password: "wrong" } });
    for (const { headers } of [inBody, failed]) expect(headers.getSetCookie()).toEqual([]);
    const refreshed = await bed.call("POST", "/auth/refresh", { headers });
    expect(refreshed.headers.getSetCookie().map((line) => line.split("=")[0])).toEqual([
      "__Host-latchkey-access",
      "__Host-latchkey-refresh",
      "__Host-latchkey-csrf",
    ]);
  });

  it("is deleted by no end of a session", async () => {
    for (const path of ["/auth/logout", "/auth/logout-all"]) {
      const bed = await createTestBed();
      const jar = await signIn(bed);
      const device = jar.get("device");
      const headers = { ...jar.header(), "x-csrf-token": jar.get("csrf") };
      const { status, headers: answered } = await bed.call("POST", path, { headers });
      expect([status, jar.take(answered).header().cookie]).toEqual([204, `latchkey-device=${device}`]);
    }
  });

  it("authenticates nobody, on any route, and names nobody", async () => {
    const path = newPath();
    const bed = await createTestBed({ path });
    const device = (await signIn(bed)).get("device");
    const before = [dumpDatabase(path), bed.events.length];
    const tellsWho = routes.filter(({ access, cookies }) => takesAccessToken(access) || cookies === true);
    expect(tellsWho.length).toBeGreaterThan(8);
    for (const route of tellsWho) {
      const cookie = ["device", "access", "refresh"].map((kind) => `latchkey-${kind}=${device}`);
      for (const sent of [cookie[0]!, cookie.join("; ")]) {
        const { status, body } = await bed.call(methodOf(route), pathOf(route), { headers: { cookie: sent } });
        const saysNobody = nameOf(route) === "GET /auth/session" && body.session === null;
        const expected = nameOf(route) === "POST /auth/logout" ? [204] : saysNobody ? [200] : [400, 401];
        expect([nameOf(route), expected.includes(status)]).toEqual([nameOf(route), true]);
      }
    }
    expect([dumpDatabase(path), bed.events.length]).toEqual(before);
    expect(JSON.stringify(bed.events)).not.toContain(device);
  });

  it("is not looked at by /token, which takes forms that any site can have a browser send", async () => {
    const bed = await createTestBed({}, { passwordGrant: true });
    const device = (await signIn(bed)).get("device");
    for (let index = 0; index < 12; index++) {
      const form = { grant_type: "password", username: "ada", password: "a guess" };
      const headers = { cookie: `latchkey-device=${device}` };
      await bed.call("POST", "/token", { form, headers, ip: ELSEWHERE });
    }
    expect((await logIn(bed, { device, ip: ELSEWHERE })).status).toBe(200);
  });
});
