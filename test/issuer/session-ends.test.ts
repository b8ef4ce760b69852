import { describe, expect, it } from "vitest";
import type { Issuer, LatchkeyEvent, RequestContext, RevocationReason, TokenPair } from "../../src/index.ts";
import { LatchkeyError } from "../../src/index.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { createTestBed, PASSWORD, type TestBedOptions } from "../support/test-bed.ts";

const context: RequestContext = { requestId: "r-7", ip: "192.0.2.7", actor: "root" };

/** One way in which a session ends. */
interface Way {
  readonly options?: TestBedOptions;
  /** Opens the session. Default: one of ada's, whose id is given. */
  readonly open?: (issuer: Issuer, adaId: string) => Promise<TokenPair>;
  readonly end: (issuer: Issuer, pair: TokenPair) => Promise<unknown>;
}

/** What is refused is no failure here: some ends show in a refused request. */
const refused = (acting: Promise<unknown>) => acting.then(() => undefined, codeOf);

const codeOf = (error: unknown) => (error as LatchkeyError).code;

const foreign = {
  foreignRefreshTokens: async () => ({
    id: "old-1",
    subject: "grace",
    authTime: Date.UTC(2026, 10, 21),
    expiresAt: Date.UTC(2026, 11, 1),
  }),
  subjects: async (ids: readonly string[]) => new Map(ids.map((id) => [id, { roles: [] }])),
};

function subjectsUntilGone(): Way {
  const known = new Map([["grace", { roles: [] }]]);
  return {
    options: { subjects: async () => known },
    open: (issuer) => issuer.issue({ subject: "grace" }),
    end(issuer, pair) {
      known.clear();
      return refused(issuer.refresh(pair.refreshToken, context));
    },
  };
}

/** Every reason has its ways; a new reason does not compile without one. */
const ways: Readonly<Record<RevocationReason, Readonly<Record<string, () => Way>>>> = {
  logout: {
    "a logout with the refresh token": () => ({ end: (issuer, pair) => issuer.logout(pair.refreshToken, context) }),
    "a logout with the access token": () => ({ end: (issuer, pair) => issuer.logout(pair.accessToken, context) }),
    "a logout with another system's refresh token": () => ({
      options: foreign,
      open: (issuer) => issuer.refresh("old-token"),
      end: (issuer) => issuer.logout("old-token", context),
    }),
    "a client's revocation": () => ({ end: (issuer, pair) => issuer.revoke(pair.refreshToken, {}, context) }),
  },
  logout_all: {
    "a logout everywhere": () => ({
      end: async (issuer, pair) => issuer.logoutAll((await issuer.verify(pair.accessToken)).sub, context),
    }),
  },
  refresh_token_reused: {
    "a reuse": () => ({
      async end(issuer, pair) {
        const { refreshToken } = await issuer.refresh(pair.refreshToken);
        await issuer.refresh(refreshToken);
        return refused(issuer.refresh(pair.refreshToken, context));
      },
    }),
  },
  session_revoked: {
    "the person's own revocation of one session": () => ({
      async end(issuer, pair) {
        const { sid, sub } = await issuer.verify(pair.accessToken);
        return issuer.sessions.revoke(sid, { ofSubject: sub }, context);
      },
    }),
  },
  password_changed: {
    "a new password": () => ({
      async end(issuer, pair) {
        const { sub, sid } = await issuer.verify(pair.accessToken);
        const newPassword = "a much better battery";
        return issuer.users.changePassword(
          { userId: sub, currentPassword: PASSWORD, newPassword, sessionId: sid },
          context,
        );
      },
    }),
  },
  user_disabled: {
    "a disabled user": () => ({ end: (issuer) => issuer.users.disable("ada", context) }),
    "a subject that the application no longer knows": subjectsUntilGone,
  },
  session_limit: {
    "one session more than a person may hold": () => ({
      options: { sessionsPerUser: 1 },
      end: async (issuer, pair) => issuer.issue({ subject: (await issuer.verify(pair.accessToken)).sub }, context),
    }),
  },
  client_disabled: {
    "a disabled client": () => ({
      async open(issuer, adaId) {
        const { client } = await issuer.clients.create({ name: "desk", kind: "public" });
        return issuer.issue({ subject: adaId, clientId: client.id });
      },
      end: async (issuer, pair) => issuer.clients.disable((await issuer.verify(pair.accessToken)).client_id, context),
    }),
  },
  administrator: {
    "an operator's revocation of one session": () => ({
      end: (issuer, pair) => issuer.sessions.revoke(pair.sessionId, {}, context),
    }),
    "an operator's revocation of every session": () => ({ end: (issuer) => issuer.sessions.revokeEvery(context) }),
  },
};

const cases = Object.entries(ways).flatMap(([reason, named]) =>
  Object.entries(named).map(([name, way]) => ({ name, reason: reason as RevocationReason, way })),
);

/** A session, and an issuer whose log of revocations cannot be read: only what it remembers by itself can help it. */
async function openSession({
  options = {},
  open = (issuer, adaId) => issuer.issue({ subject: adaId }),
}: Pick<Way, "options" | "open">) {
  const store = await createSqliteStore(":memory:");
  let isLogReadable = true;
  const withoutLog: Store = {
    ...store,
    listRevocations: (...args) =>
      isLogReadable ? store.listRevocations(...args) : Promise.reject(new LatchkeyError("store_unavailable")),
  };
  const events: LatchkeyEvent[] = [];
  const heard: ((event: LatchkeyEvent) => void)[] = [];
  const { issuer } = await createTestBed({
    ...options,
    store: withoutLog,
    onEvent(event) {
      events.push(event);
      for (const hear of heard) hear(event);
    },
  });
  const isOurs = options.subjects === undefined;
  const ada = isOurs ? await issuer.users.create({ username: "ada", password: PASSWORD, roles: [] }) : undefined;
  const pair = await open(issuer, ada?.id ?? "");
  await issuer.verify(pair.accessToken);
  events.length = 0;
  isLogReadable = false;
  return { issuer, pair, events, hear: (listener: (event: LatchkeyEvent) => void) => heard.push(listener) };
}

function expectedEvent(reason: RevocationReason) {
  if (reason === "logout") return { type: "session.logged_out" };
  if (reason === "refresh_token_reused") return { type: "refresh_token.reused", generation: 1, confirmed: 2 };
  return { type: "session.revoked", reason };
}

const isAboutItsEnd = ({ type }: LatchkeyEvent) =>
  type === "session.logged_out" || type === "refresh_token.reused" || type === "session.revoked";

describe.each(cases)("$name ends a session", ({ reason, way }) => {
  it("and its access token is refused here at once, before the log of revocations is read", async () => {
    const chosen = way();
    const { issuer, pair } = await openSession(chosen);
    expect(issuer.verifyRemembered(pair.accessToken)).toBeDefined();
    await chosen.end(issuer, pair);
    expect(issuer.verifyRemembered(pair.accessToken)).toBeUndefined();
    expect(await refused(issuer.verify(pair.accessToken))).toBe("session_revoked");
  });

  it("and one event says so, with the reason, the person and where the request came from", async () => {
    const chosen = way();
    const { issuer, pair, events } = await openSession(chosen);
    const { sub } = await issuer.verify(pair.accessToken);
    await chosen.end(issuer, pair);
    expect(events.filter(isAboutItsEnd)).toEqual([
      expect.objectContaining({
        ...expectedEvent(reason),
        sessionId: pair.sessionId,
        subject: sub,
        requestId: "r-7",
        ip: "192.0.2.7",
        actor: "root",
      }),
    ]);
  });

  it("and its access token is refused already when the event is emitted", async () => {
    const chosen = way();
    const { issuer, pair, hear } = await openSession(chosen);
    const found: [string, boolean][] = [];
    hear(({ type }) => found.push([type, issuer.verifyRemembered(pair.accessToken) === undefined]));
    await chosen.end(issuer, pair);
    const ofItsEnd = found.filter(([type]) => type !== "session.refreshed");
    expect(ofItsEnd.length).toBeGreaterThan(0);
    expect(ofItsEnd.filter(([, isRefused]) => !isRefused)).toEqual([]);
  });

  it("and doing it again announces nothing more", async () => {
    const chosen = way();
    const { issuer, pair, events } = await openSession(chosen);
    await chosen.end(issuer, pair);
    const ended = () =>
      events.filter((event) => isAboutItsEnd(event) && "sessionId" in event && event.sessionId === pair.sessionId);
    await refused(issuer.logout(pair.refreshToken, context));
    await refused(issuer.sessions.revoke(pair.sessionId, {}, context));
    await refused(issuer.refresh(pair.refreshToken, context));
    expect(ended()).toHaveLength(1);
  });
});

describe("a disabled client", () => {
  it("loses its own access tokens here at once, before the event is emitted", async () => {
    const { issuer, hear } = await openSession({});
    const { client } = await issuer.clients.create({ name: "billing", scope: "orders:read" });
    const { accessToken } = await issuer.clients.issueToken(client);
    await issuer.verifyAny(accessToken);
    const found: [string, boolean][] = [];
    hear(({ type }) => found.push([type, issuer.verifyRemembered(accessToken) === undefined]));
    await issuer.clients.disable(client.id, context);
    expect(found).toEqual([["client.disabled", true]]);
    expect(await refused(issuer.verifyAny(accessToken))).toBe("invalid_access_token");
  });
});
