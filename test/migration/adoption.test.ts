import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { foreignSessionId } from "../../src/engine/adoption/foreign-session.ts";
import type { ForeignSession, IssuerOptions, LatchkeyError } from "../../src/index.ts";
import { createTestBed, createTestClock, PASSWORD, SECRET, type TestBed, type TestClock } from "../support/test-bed.ts";

const OTHER_SECRET = "hV3pQ9wXz1Lk7Tn5Rb8Ym2Cj6Fs0Gd4AuEoIxWvKtZq";
const DAY = 86_400;
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function temporaryDatabase(): string {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-adoption-"));
  folders.push(folder);
  return join(folder, "latchkey.db");
}

/** A Latchkey beside an old system whose refresh tokens are `OLD-1`, `OLD-2` and `TWIN-1`, the last of the family of the first. */
async function createBed(
  options: Partial<IssuerOptions> & { path?: string } = {},
  clock: TestClock = createTestClock(),
) {
  const old = new Map<string, ForeignSession>();
  const state = { asked: [] as string[] };
  const bed = await createTestBed(
    {
      subjects: async (ids) => new Map(ids.filter((id) => id !== "gone").map((id) => [id, { roles: ["buyer"] }])),
      foreignRefreshTokens: async (token) => {
        state.asked.push(token);
        return old.get(token) ?? null;
      },
      ...options,
    },
    {},
    clock,
  );
  const foreign = (changes: Partial<ForeignSession> = {}): ForeignSession => ({
    id: "family 1",
    subject: "customer-7",
    authTime: clock.now() - 3 * DAY * 1000,
    expiresAt: clock.now() + 10 * DAY * 1000,
    ...changes,
  });
  old.set("OLD-1", foreign());
  old.set("TWIN-1", foreign());
  old.set("OLD-2", foreign({ id: "family 2", subject: "customer-8" }));
  return { ...bed, old, foreign, state };
}

const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "answered",
    (error: LatchkeyError) => error.code,
  );

describe("a refresh token of another system", () => {
  it("is exchanged for a pair of a session with what the other system knew of it", async () => {
    const bed = await createBed();
    const { issuer, old, foreign, clock, events } = bed;
    const claims = { tenant: "acme" };
    old.set("OLD-1", foreign({ device: "Ada's laptop", scope: "read", amr: ["pwd"], claims, ip: "192.0.2.9" }));
    const pair = await issuer.refresh("OLD-1");
    expect(pair.refreshToken).toMatch(/^lkr_/);
    expect(await issuer.verify(pair.accessToken)).toMatchObject({
      sub: "customer-7",
      tenant: "acme",
      scope: "read",
      roles: ["buyer"],
      auth_time: Math.floor(foreign().authTime / 1000),
    });
    const [session] = await issuer.sessions.list("customer-7");
    expect(session).toMatchObject({ device: "Ada's laptop", amr: ["pwd"], ip: "192.0.2.9", clientId: "first-party" });
    expect(session?.expiresAt).toBe(clock.now() + 10 * DAY * 1000);
    expect(events.map(({ type }) => type)).toEqual(["session.adopted", "session.refreshed"]);
  });

  it("does not make the access token fresh, since nobody has just signed in", async () => {
    const { issuer } = await createBed();
    const { accessToken } = await issuer.refresh("OLD-1");
    expect(await issuer.verify(accessToken)).not.toHaveProperty("fresh");
  });

  it("presented sixty times at once, over two processes, makes one session and gives one successor", async () => {
    const path = temporaryDatabase();
    const [one, two] = [await createBed({ path }), await createBed({ path })];
    const pairs = await Promise.all(
      Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? one : two).issuer.refresh("OLD-1")),
    );
    expect(new Set(pairs.map(({ refreshToken }) => refreshToken)).size).toBe(1);
    expect(await one.issuer.sessions.list("customer-7")).toHaveLength(1);
    const adopted = [...one.events, ...two.events].filter(({ type }) => type === "session.adopted");
    expect(adopted).toHaveLength(1);
  });

  it("can be presented again a second, an hour and three days after its response was lost", async () => {
    const { issuer, clock } = await createBed();
    const lost = await issuer.refresh("OLD-1");
    clock.advanceSeconds(1);
    expect((await issuer.refresh("OLD-1")).refreshToken).toBe(lost.refreshToken);
    clock.advanceSeconds(3600);
    await issuer.refresh("OLD-1");
    clock.advanceSeconds(3 * DAY);
    const kept = await issuer.refresh("OLD-1");
    expect(await refusal(issuer.refresh(kept.refreshToken))).toBe("answered");
  });

  it("presented again after its successor was used is reuse, and ends the session", async () => {
    const { issuer, clock, events } = await createBed();
    const first = await issuer.refresh("OLD-1");
    const second = await issuer.refresh(first.refreshToken);
    clock.advanceSeconds(60);
    expect(await refusal(issuer.refresh("OLD-1"))).toBe("refresh_token_reused");
    expect(await refusal(issuer.refresh(second.refreshToken))).toBe("session_revoked");
    expect(await refusal(issuer.verify(second.accessToken))).toBe("session_revoked");
    expect(await refusal(issuer.refresh("OLD-1"))).toBe("session_revoked");
    expect(events.filter(({ type }) => type === "session.adopted")).toHaveLength(1);
  });

  it("is good once with a rotation grace of 0, and any replay of it is reuse", async () => {
    const { issuer } = await createBed({ rotationGraceSeconds: 0 });
    const { refreshToken } = await issuer.refresh("OLD-1");
    expect(await refusal(issuer.refresh("OLD-1"))).toBe("refresh_token_reused");
    expect(await refusal(issuer.refresh(refreshToken))).toBe("session_revoked");
  });

  it("is one and the same with another of its family that the old system still accepts", async () => {
    const { issuer, clock } = await createBed();
    const [one, other] = await Promise.all([issuer.refresh("OLD-1"), issuer.refresh("TWIN-1")]);
    expect(other.refreshToken).toBe(one.refreshToken);
    await issuer.refresh(one.refreshToken);
    clock.advanceSeconds(60);
    expect(await refusal(issuer.refresh("TWIN-1"))).toBe("refresh_token_reused");
  });

  it("PARITY 10: refresh never moves the session's absolute end, whatever the old system says later; idle end enforced", async () => {
    const { issuer, old, foreign, clock } = await createBed({ idleTtlSeconds: 6 * DAY });
    let { refreshToken } = await issuer.refresh("OLD-1");
    old.set("OLD-1", foreign({ expiresAt: clock.now() + 100 * DAY * 1000 }));
    clock.advanceSeconds(5 * DAY);
    ({ refreshToken } = await issuer.refresh(refreshToken));
    clock.advanceSeconds(5 * DAY - 1);
    ({ refreshToken } = await issuer.refresh(refreshToken));
    clock.advanceSeconds(1);
    expect(await refusal(issuer.refresh(refreshToken))).toBe("session_expired");
  });

  it("ends when it is idle for too long, also if the old token is presented then", async () => {
    const { issuer, clock } = await createBed({ idleTtlSeconds: DAY });
    await issuer.refresh("OLD-1");
    clock.advanceSeconds(DAY);
    expect(await refusal(issuer.refresh("OLD-1"))).toBe("session_expired");
  });

  it("makes no session once its own end has come, not even where the session's row is gone", async () => {
    const { issuer, store, clock } = await createBed();
    clock.advanceSeconds(10 * DAY);
    expect(await refusal(issuer.refresh("OLD-1"))).toBe("session_expired");
    expect(await store.findSession(foreignSessionId("family 1"))).toBeNull();
  });

  it("logs out: before its session was adopted and after, and stays out", async () => {
    const { issuer } = await createBed();
    await issuer.logout("OLD-1");
    expect(await refusal(issuer.refresh("OLD-1"))).toBe("session_revoked");
    const { refreshToken } = await issuer.refresh("OLD-2");
    await issuer.logout("OLD-2");
    expect(await refusal(issuer.refresh("OLD-2"))).toBe("session_revoked");
    expect(await refusal(issuer.refresh(refreshToken))).toBe("session_revoked");
    await issuer.logout("OLD-1");
    await issuer.logout("unknown");
  });

  it("of a subject who is gone is refused, and its session revoked", async () => {
    const { issuer, old, foreign, store } = await createBed();
    old.set("OLD-1", foreign({ subject: "gone" }));
    expect(await refusal(issuer.refresh("OLD-1"))).toBe("session_revoked");
    expect(await store.findSession(foreignSessionId("family 1"))).toMatchObject({ revokedFor: "user_disabled" });
  });

  it("of a user of Latchkey's own who is disabled is refused; once adopted it stays revoked though they are enabled again", async () => {
    const { issuer, old, foreign } = await createBed({ subjects: undefined });
    const ada = await issuer.users.create({ username: "ada", password: PASSWORD, roles: ["editor"] });
    old.set("OLD-1", foreign({ subject: ada.id }));
    old.set("OLD-2", foreign({ subject: ada.id, id: "family 2" }));
    expect((await issuer.verify((await issuer.refresh("OLD-1")).accessToken)).roles).toEqual(["editor"]);
    await issuer.users.disable("ada");
    expect(await refusal(issuer.refresh("OLD-1"))).toBe("session_revoked");
    expect(await refusal(issuer.refresh("OLD-2"))).toBe("session_revoked");
    await issuer.users.enable("ada");
    expect(await refusal(issuer.refresh("OLD-1"))).toBe("session_revoked");
  });

  it("of another client's session is refused, and nothing ends", async () => {
    const { issuer, old, foreign } = await createBed();
    old.set("OLD-1", foreign({ clientId: "mobile" }));
    expect(await refusal(issuer.refresh("OLD-1"))).toBe("invalid_refresh_token");
    expect(await refusal(issuer.refresh("OLD-1", {}, { clientId: "mobile" }))).toBe("answered");
  });

  it("counts for its session's limit of refreshes, also before the session is looked up", async () => {
    const { issuer } = await createBed({ sessionRefreshesPerMinute: 3 });
    for (let nth = 0; nth < 3; nth++) await issuer.refresh("OLD-1");
    expect(await refusal(issuer.refresh("OLD-1"))).toBe("too_many_requests");
    expect(await refusal(issuer.refresh("OLD-2"))).toBe("answered");
  });

  it("keeps its session through a change of the root secret, and is not adopted a second time by it", async () => {
    const path = temporaryDatabase();
    const clock = createTestClock();
    const before = await createBed({ path, secret: SECRET }, clock);
    const first = await before.issuer.refresh("OLD-1");
    await before.issuer.refresh(first.refreshToken);
    const after = await createBed({ path, secret: OTHER_SECRET, previousSecret: SECRET }, clock);
    clock.advanceSeconds(60);
    expect(await refusal(after.issuer.refresh("OLD-1"))).toBe("refresh_token_reused");
  });

  it("over HTTP is taken by /auth/refresh and /token, and refused where it is an access token's place", async () => {
    const { call } = await createBed();
    const refreshed = await call("POST", "/auth/refresh", { json: { refresh_token: "OLD-1" } });
    expect(refreshed.status).toBe(200);
    const form = { grant_type: "refresh_token", refresh_token: "OLD-2" };
    expect((await call("POST", "/token", { form })).status).toBe(200);
    expect((await call("GET", "/auth/me", { bearer: "OLD-1" })).status).toBe(401);
    expect((await call("POST", "/auth/logout", { json: { refresh_token: "OLD-1" } })).status).toBe(204);
    expect((await call("POST", "/auth/refresh", { json: { refresh_token: "OLD-1" } })).body.error).toBe(
      "session_revoked",
    );
  });
});

describe("a refresh token of another system that names a session adopted for somebody else", () => {
  /** Alice's session is adopted; `OLD-BOB` then names the same sign-in and other people or clients. */
  async function adoptedByAlice(changes: Partial<ForeignSession>) {
    const bed = await createBed();
    const alice = bed.foreign({ subject: "alice", clientId: "mobile" });
    bed.old.set("OLD-ALICE", alice);
    const pair = await bed.issuer.refresh("OLD-ALICE", {}, { clientId: "mobile" });
    bed.old.set("OLD-BOB", { ...alice, ...changes });
    bed.events.length = 0;
    return { ...bed, pair, changes };
  }
  const cases: [string, Partial<ForeignSession>][] = [
    ["another subject", { subject: "bob" }],
    ["another client", { clientId: "web" }],
    ["no client", { clientId: undefined }],
    ["both", { subject: "bob", clientId: "web" }],
  ];

  it.each(cases)(
    "%s: is refused for every client, reported with both named and no token, and changes nothing",
    async (_, changes) => {
      const { issuer, store, pair, events } = await adoptedByAlice(changes);
      const before = await store.findSession(pair.sessionId);
      for (const clientId of ["mobile", "web", "first-party"]) {
        expect(await refusal(issuer.refresh("OLD-BOB", {}, { clientId }))).toBe("invalid_refresh_token");
      }
      expect(events).toMatchObject(
        Array(3).fill({
          type: "session.adoption_refused",
          sessionId: pair.sessionId,
          subject: "alice",
          clientId: "mobile",
          presentedSubject: changes.subject ?? "alice",
          presentedClientId: changes.clientId ?? ("clientId" in changes ? "first-party" : "mobile"),
        }),
      );
      expect(JSON.stringify(events)).not.toContain("OLD-");
      expect(await store.findSession(pair.sessionId)).toStrictEqual(before);
      expect(await refusal(issuer.refresh(pair.refreshToken, {}, { clientId: "mobile" }))).toBe("answered");
    },
  );

  it.each(cases)("%s: ends it by no logout and no revocation, and is inactive at introspection", async (_, changes) => {
    const { issuer, store, pair } = await adoptedByAlice(changes);
    await issuer.logout("OLD-BOB");
    for (const clientId of ["mobile", "web", "first-party"]) {
      await issuer.revoke("OLD-BOB", { clientId });
      expect(await issuer.introspect("OLD-BOB", { clientId })).toEqual({ active: false });
    }
    expect((await store.findSession(pair.sessionId))?.revokedAt).toBeNull();
    expect(await refusal(issuer.refresh(pair.refreshToken, {}, { clientId: "mobile" }))).toBe("answered");
  });

  it.each(cases)("%s: is counted as refused where it is adopted ahead, in one batch and in two", async (_, changes) => {
    const { issuer, events, foreign } = await adoptedByAlice(changes);
    const alice = foreign({ subject: "alice", clientId: "mobile" });
    const [known, another] = [alice, { ...alice, ...changes }];
    expect(await issuer.sessions.adopt([another])).toEqual({ adopted: 0, known: 0, expired: 0, refused: 1 });
    const report = await issuer.sessions.adopt([{ ...known, id: "new" }, { ...another, id: "new" }, known, another]);
    expect(report).toEqual({ adopted: 1, known: 1, expired: 0, refused: 2 });
    expect(events.filter(({ type }) => type === "session.adoption_refused")).toHaveLength(3);
  });

  it("is refused too when both are presented for the first time at once, whichever comes first", async () => {
    for (let round = 0; round < 10; round++) {
      const { issuer, old, foreign } = await createBed();
      old.set("OLD-ALICE", foreign({ subject: "alice" }));
      old.set("OLD-BOB", foreign({ subject: "bob" }));
      const tokens = round % 2 ? ["OLD-ALICE", "OLD-BOB"] : ["OLD-BOB", "OLD-ALICE"];
      const results = await Promise.allSettled(tokens.map((token) => issuer.refresh(token)));
      expect(results.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
      const won = results.findIndex(({ status }) => status === "fulfilled");
      const { value } = results[won] as PromiseFulfilledResult<{ accessToken: string }>;
      expect((await issuer.verify(value.accessToken)).sub).toBe(won === tokens.indexOf("OLD-BOB") ? "bob" : "alice");
    }
  });

  it("counts as guessing against the address, so that the operator gets no flood of reports", async () => {
    const { call, events } = await adoptedByAlice({ subject: "bob" });
    const statuses = new Set<number>();
    for (let nth = 0; nth < 80; nth++) {
      statuses.add((await call("POST", "/auth/refresh", { json: { refresh_token: "OLD-BOB" } })).status);
    }
    expect([...statuses]).toEqual([401, 429]);
    expect(events.filter(({ type }) => type === "session.adoption_refused")).toHaveLength(60);
  });
});

describe("what the application is asked", () => {
  it("never a token of Latchkey's own kinds, nor one that is empty or longer than 8,192 characters", async () => {
    const { issuer, state } = await createBed();
    const pair = await issuer.refresh("OLD-1");
    state.asked.length = 0;
    await issuer.refresh(pair.refreshToken);
    expect(await refusal(issuer.refresh(pair.accessToken))).toBe("wrong_token_type");
    expect(await refusal(issuer.refresh(`${pair.refreshToken}x`))).toBe("invalid_refresh_token");
    expect(await refusal(issuer.refresh(""))).toBe("invalid_refresh_token");
    expect(await refusal(issuer.refresh("x".repeat(8193)))).toBe("invalid_refresh_token");
    await issuer.logout(pair.refreshToken);
    expect(state.asked).toEqual([]);
  });

  it("a JWT of the other system", async () => {
    const { issuer, old, foreign } = await createBed();
    const jwt = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI3In0.c2ln";
    old.set(jwt, foreign());
    expect(await refusal(issuer.refresh(jwt))).toBe("answered");
    expect(await refusal(issuer.refresh(`${jwt}x`))).toBe("wrong_token_type");
  });

  it("PARITY 39: what it does not know counts as guessing against the address", async () => {
    const { call } = await createBed();
    const statuses = [];
    for (let nth = 0; nth < 61; nth++) {
      statuses.push((await call("POST", "/auth/refresh", { json: { refresh_token: `GUESS-${nth}` } })).status);
    }
    expect(statuses.slice(0, 60)).toEqual(Array(60).fill(401));
    expect(statuses[60]).toBe(429);
  });

  it("and when that fails, the answer is store_unavailable and nothing has changed", async () => {
    const { issuer, store } = await createBed({
      foreignRefreshTokens: async () => {
        throw new Error("the old table is away");
      },
    });
    expect(await refusal(issuer.refresh("OLD-1"))).toBe("store_unavailable");
    expect(await store.findSession(foreignSessionId("family 1"))).toBeNull();
  });

  it.each<[string, Partial<ForeignSession>]>([
    ["'id'", { id: "" }],
    ["'id'", { id: "a\ud800" }],
    ["'subject'", { subject: "" }],
    ["'subject'", { subject: "lkc_AAAAAAAAAAAAAAAAAAAAAA" }],
    ["'authTime'", { authTime: 1_792_538_400 }],
    ["'expiresAt'", { expiresAt: Number.NaN }],
    ["'claims'", { claims: { sub: "somebody else" } }],
  ])("a wrong %s of what it says is a TypeError that names it: %j", async (name, changes) => {
    const { issuer, old, foreign } = await createBed();
    old.set("OLD-1", foreign(changes));
    await expect(issuer.refresh("OLD-1")).rejects.toThrow(TypeError);
    await expect(issuer.refresh("OLD-1")).rejects.toThrow(name);
    await expect(issuer.sessions.adopt([foreign(changes)])).rejects.toThrow(name);
  });
});

describe("adopting ahead", () => {
  async function adoptThree(
    bed: Pick<TestBed, "issuer">,
    foreign: (changes?: Partial<ForeignSession>) => ForeignSession,
  ) {
    return bed.issuer.sessions.adopt([
      foreign(),
      foreign({ id: "family 2", subject: "customer-8" }),
      foreign({ id: "family 3", expiresAt: foreign().authTime }),
    ]);
  }

  it("lists the sessions at once, and done again changes nothing", async () => {
    const bed = await createBed();
    expect(await adoptThree(bed, bed.foreign)).toEqual({ adopted: 2, known: 0, expired: 1, refused: 0 });
    expect(await bed.issuer.sessions.list("customer-7")).toHaveLength(1);
    const { refreshToken } = await bed.issuer.refresh("OLD-1");
    expect(await adoptThree(bed, bed.foreign)).toEqual({ adopted: 0, known: 2, expired: 1, refused: 0 });
    expect(await refusal(bed.issuer.refresh(refreshToken))).toBe("answered");
  });

  it("puts them within reach of a logout everywhere, after which their old refresh tokens are refused", async () => {
    const bed = await createBed();
    await adoptThree(bed, bed.foreign);
    await bed.issuer.logoutAll("customer-7");
    expect(await refusal(bed.issuer.refresh("OLD-1"))).toBe("session_revoked");
    expect(await refusal(bed.issuer.refresh("OLD-2"))).toBe("answered");
    expect(await adoptThree(bed, bed.foreign)).toMatchObject({ adopted: 0, known: 2 });
    expect(await refusal(bed.issuer.refresh("OLD-1"))).toBe("session_revoked");
  });

  it("takes a thousand from a generator, past the session limit of one person, and says which users are disabled", async () => {
    const bed = await createBed({ subjects: undefined });
    const ada = await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
    const eve = await bed.issuer.users.create({ username: "eve", password: PASSWORD, roles: [] });
    await bed.issuer.users.disable("eve");
    async function* all() {
      for (let nth = 0; nth < 1000; nth++) yield bed.foreign({ id: `of ada ${nth}`, subject: ada.id });
      yield bed.foreign({ id: "of eve", subject: eve.id });
    }
    expect(await bed.issuer.sessions.adopt(all())).toEqual({ adopted: 1000, known: 0, expired: 0, refused: 1 });
    expect(await bed.issuer.sessions.list(ada.id)).toHaveLength(1000);
  });
});

it("without the option, other systems' tokens are refused as ever", async () => {
  const { issuer } = await createTestBed();
  expect(await refusal(issuer.refresh("OLD-1"))).toBe("invalid_refresh_token");
});
