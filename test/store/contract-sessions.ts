import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonValue } from "../../src/json.ts";
import { MAX_GENERATION } from "../../src/records/rotation.ts";
import type { Session } from "../../src/records/session.ts";
import type { SessionChange } from "../../src/records/session-change.ts";
import type { User } from "../../src/records/user.ts";
import type { FoundSession } from "../../src/store/session-store.ts";
import {
  awkwardTexts,
  DAY,
  NOW,
  newId,
  newSession,
  newUser,
  proved,
  unstorableTexts,
  vouched,
} from "../support/records.ts";
import type { OpenStore } from "./place.ts";

const full: Partial<Session> = {
  rotation: {
    confirmed: MAX_GENERATION - 2,
    pendingFrom: MAX_GENERATION - 1,
    pendingTo: MAX_GENERATION,
    rotatedAt: NOW + 7,
    reuseForgivenAt: NOW + 6,
  },
  authTime: NOW - 1,
  revokedAt: NOW + 9,
  revokedFor: "logout",
  device: "Ada's laptop",
  userAgent: "Mozilla/5.0",
  ip: "2001:db8::1",
  scope: "read write",
  amr: ["pwd", "otp"],
  jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
  usedBefore: NOW - 2,
  lastIp: "203.0.113.7",
  lastUserAgent: "curl/8",
  claims: { tenant: "acme", level: 3, nested: [{ deep: [true, null, -0.5, 1e21, ""] }], "": {}, "a b": [] },
};

/** Parsed from JSON, which has no negative zero. */
const claims: fc.Arbitrary<Record<string, JsonValue>> = fc
  .dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ stringUnit: "binary" }))
  .map((value) => JSON.parse(JSON.stringify(value)));

/** Other writings of the 16 bytes of an id, which are not that id, and texts that are no id at all. */
function malformed(id: string): string[] {
  const last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const sameBytes = id.slice(0, -1) + last[last.indexOf(id.at(-1) as string) + 1];
  return [sameBytes, `${id}==`, `${id}A`, id.slice(0, -1), ` ${id}`, `${id.slice(0, -1)}+`, "", "\0", "é".repeat(22)];
}

export function describeSessions(open: OpenStore): void {
  describe("creating and finding", () => {
    it.each([
      ["with everything", full],
      ["with nothing that is optional", {}],
      [
        "with empty texts, lists and claims, which are not null",
        { device: "", userAgent: "", ip: "", scope: "", amr: [], claims: {} },
      ],
      ["with a salt of zeros", { salt: new Uint8Array(16) }],
      ["at time zero", { createdAt: 0, authTime: 0, expiresAt: 0 }],
    ])("gives a session back %s as it was stored, also after closing and opening again", async (_, changes) => {
      const session = newSession(changes);
      const store = await open();
      expect(await store.createSessions([vouched(session)])).toEqual([{ created: true, evicted: [] }]);
      expect(await store.findSession(session.id)).toStrictEqual(session);
      await store.close();
      expect(await (await open()).findSession(session.id)).toStrictEqual(session);
    });

    it.each(Object.entries(awkwardTexts))("keeps %s in every text field", async (_, text) => {
      const session = newSession({
        subject: text,
        clientId: text,
        device: text,
        userAgent: text,
        ip: text,
        scope: text,
        amr: [text],
        claims: { [text]: text },
        jkt: text,
      });
      const store = await open();
      await store.createSessions([vouched(session)]);
      expect(await store.findSession(session.id)).toStrictEqual(session);
      expect(await store.listSessions(text, NOW)).toStrictEqual([session]);
    });

    it.each(Object.entries(unstorableTexts))(
      "refuses %s with a TypeError and stores nothing of the batch",
      async (_, text) => {
        const store = await open();
        const [first, second] = [newSession(), newSession({ subject: text })];
        await expect(store.createSessions([vouched(first), vouched(second)])).rejects.toThrow(TypeError);
        expect(await store.findSession(first.id)).toBeNull();
        expect(await store.listSessions(text, NOW)).toEqual([]);
      },
    );

    it.each(Object.entries(unstorableTexts))("keeps %s inside claims", async (_, text) => {
      const session = newSession({ claims: { note: text, [text]: true } });
      const store = await open();
      await store.createSessions([vouched(session)]);
      expect(await store.findSession(session.id)).toStrictEqual(session);
    });

    it("keeps whatever text and claims there can be", async () => {
      const store = await open();
      const text = fc.string({ unit: "binary" }).filter((value) => !value.includes("\0"));
      const sessions = fc.array(
        fc.record({
          subject: text,
          device: fc.option(text),
          amr: fc.option(fc.array(fc.string({ unit: "binary" }))),
          claims,
        }),
      );
      await fc.assert(
        fc.asyncProperty(sessions, async (changes) => {
          const batch = changes.map((change) => newSession(change));
          await store.createSessions(batch.map((session) => vouched(session)));
          for (const session of batch) expect(await store.findSession(session.id)).toStrictEqual(session);
        }),
        { numRuns: 50 },
      );
    });

    it("leaves a session as it is where one of its id is to be created only if there is none", async () => {
      const store = await open();
      const session = newSession();
      const adopted = { ...vouched(session), ifAbsent: true };
      const other = { ...vouched({ ...session, subject: newId(), salt: new Uint8Array(16) }), ifAbsent: true };
      expect(await store.createSessions([adopted, other])).toEqual([
        { created: true, evicted: [] },
        { created: false },
      ]);
      await store.revokeSessions([session.id], { at: NOW + 1, reason: "logout" });
      const fresh = newSession();
      expect(await store.createSessions([other, { ...vouched(fresh), ifAbsent: true }, adopted])).toEqual([
        { created: false },
        { created: true, evicted: [] },
        { created: false },
      ]);
      expect(await store.findSession(session.id)).toStrictEqual({
        ...session,
        revokedAt: NOW + 1,
        revokedFor: "logout",
      });
      expect(await store.findSession(fresh.id)).toStrictEqual(fresh);
    });

    it("creates a session once when twenty callers over two connections create it only if there is none", async () => {
      const stores = [await open(), await open()] as const;
      const id = newId();
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          stores[index % 2 === 0 ? 0 : 1].createSessions([
            { ...vouched(newSession({ id, subject: `subject ${index}` })), ifAbsent: true },
          ]),
        ),
      );
      const winners = results.flatMap(([result], index) => (result?.created ? [`subject ${index}`] : []));
      expect(winners).toEqual([(await stores[1].findSession(id))?.subject]);
    });

    it("finds nothing by an unknown id, nor by another writing of a known one", async () => {
      const store = await open();
      const { session } = vouched(newSession({ id: "AAAAAAAAAAAAAAAAAAAAAA" }));
      await store.createSessions([vouched(session)]);
      expect(await store.findSession(newId())).toBeNull();
      for (const id of malformed(session.id)) expect(await store.findSession(id)).toBeNull();
    });

    it("refuses a session whose id is not 16 bytes with a TypeError", async () => {
      const store = await open();
      await expect(store.createSessions([vouched(newSession({ id: "short" }))])).rejects.toThrow(TypeError);
    });

    it("creates a session only for a user who still has the credentials that were proved, and is not disabled", async () => {
      const store = await open();
      const [ada, eve] = [newUser(), newUser({ disabledAt: NOW })];
      await store.createUser(ada);
      await store.createUser(eve);
      const sessions = [ada.id, ada.id, eve.id, newId(), ada.id].map((subject) => newSession({ subject }));
      const [right, anotherVersion, disabled, unknown, rightAgain] = sessions as [
        Session,
        Session,
        Session,
        Session,
        Session,
      ];
      const results = await store.createSessions([
        proved(right, ada),
        proved(anotherVersion, { credentialsVersion: 2 }),
        proved(disabled, eve),
        proved(unknown, ada),
        proved(rightAgain, ada),
      ]);
      expect(results.map(({ created }) => created)).toEqual([true, false, false, false, true]);
      const found = await Promise.all(sessions.map(({ id }) => store.findSession(id)));
      expect(found.map((session) => session !== null)).toEqual([true, false, false, false, true]);
    });

    it("creates a session for any subject that the application vouches for, save a user who is disabled", async () => {
      const store = await open();
      const [ada, eve] = [newUser(), newUser({ disabledAt: NOW })];
      await store.createUser(ada);
      await store.createUser(eve);
      const sessions = [newSession(), newSession({ subject: ada.id }), newSession({ subject: eve.id })];
      const results = await store.createSessions(sessions.map((session) => vouched(session)));
      expect(results.map(({ created }) => created)).toEqual([true, true, false]);
    });

    it("keeps the sessions of a subject who has no row among the users, through every act", async () => {
      const store = await open();
      const subject = "a subject of the application's own";
      const [kept, ended] = [newSession({ subject }), newSession({ subject })];
      await store.createSessions([vouched(kept, 5), vouched(ended, 5)]);
      const users: (User | null | undefined)[] = [];
      await store.changeSessions([kept.id], (_, found) => {
        users.push(found?.user);
        return { rotation: { ...kept.rotation, rotatedAt: NOW + 5 } };
      });
      expect(users).toEqual([null]);
      expect(await store.revokeSessions([ended.id], { at: NOW, reason: "logout" })).toEqual([ended.id]);
      expect((await store.listSessions(subject, NOW)).map(({ id }) => id)).toEqual([kept.id]);
      expect(await store.revokeSubjectSessions(subject, { at: NOW, reason: "logout_all" })).toEqual([kept.id]);
    });

    it("stores nothing of a batch in which one session cannot be stored, and goes on", async () => {
      const store = await open();
      const [first, second] = [newSession(), newSession()];
      await expect(store.createSessions([vouched(first), vouched(second), vouched(first)])).rejects.toThrow();
      expect(await store.findSession(first.id)).toBeNull();
      expect(await store.findSession(second.id)).toBeNull();
      expect(await store.createSessions([vouched(first)])).toEqual([{ created: true, evicted: [] }]);
    });
  });

  describe("the session limit", () => {
    it("lets the oldest live sessions of the subject give way, by the time they were created", async () => {
      const store = await open();
      const subject = newId();
      const aged = (age: number, changes: Partial<Session> = {}) =>
        newSession({ subject, createdAt: NOW - age, ...changes });
      const [third, first, second] = [aged(10), aged(30), aged(20)];
      const notLive = [aged(99, { revokedAt: NOW, revokedFor: "logout" }), aged(98, { expiresAt: NOW })];
      const another = newSession({ createdAt: NOW - 50 });
      await store.createSessions([third, first, second, ...notLive, another].map((session) => vouched(session)));

      const fourth = aged(0);
      expect(await store.createSessions([vouched(fourth, 2)])).toEqual([
        { created: true, evicted: [first.id, second.id] },
      ]);
      const left = await store.listSessions(subject, NOW);
      expect(left.map(({ id }) => id)).toEqual([fourth.id, third.id]);
      expect(await store.findSession(first.id)).toStrictEqual({
        ...first,
        revokedAt: NOW,
        revokedFor: "session_limit",
      });
      for (const session of [...notLive, another]) expect(await store.findSession(session.id)).toStrictEqual(session);
    });

    it("evicts nothing while the limit is not passed, and nothing at all when it is 0", async () => {
      const store = await open();
      const subject = newId();
      for (const limit of [3, 3, 3, 0]) {
        const [result] = await store.createSessions([vouched(newSession({ subject }), limit)]);
        expect(result).toEqual({ created: true, evicted: [] });
      }
    });

    it("never evicts the session it creates, even one dated before the others, and holds within one batch", async () => {
      const store = await open();
      const subject = newId();
      const [first, second, earlier] = [
        newSession({ subject }),
        newSession({ subject, createdAt: NOW + 1 }),
        newSession({ subject, createdAt: NOW - 1 }),
      ];
      expect(await store.createSessions([first, second, earlier].map((session) => vouched(session, 1)))).toEqual([
        { created: true, evicted: [] },
        { created: true, evicted: [first.id] },
        { created: true, evicted: [second.id] },
      ]);
      expect(await store.listSessions(subject, NOW)).toStrictEqual([earlier]);
    });

    it("holds when twenty sign-ins over two connections race", async () => {
      const stores = [await open(), await open()] as const;
      const subject = newId();
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          stores[index % 2 === 0 ? 0 : 1].createSessions([vouched(newSession({ subject, createdAt: NOW + index }), 3)]),
        ),
      );
      expect(results.flat().every(({ created }) => created)).toBe(true);
      expect(await stores[0].listSessions(subject, NOW)).toHaveLength(3);
    });
  });

  describe("changing", () => {
    const rotation = { confirmed: 1, pendingFrom: 2, pendingTo: 2, rotatedAt: NOW + 5, reuseForgivenAt: null };

    it("asks once for each id, in order, with the session and its user, and with null for an unknown id", async () => {
      const store = await open();
      const ada = newUser({ roles: ["admin", "👑"], disabledAt: NOW });
      const [own, foreign] = [newSession({ ...full, subject: newId() }), newSession({ subject: ada.id })];
      await store.createSessions([vouched(own), vouched(foreign)]);
      await store.createUser(ada);
      const asked: (FoundSession | null)[] = [];
      const indexes: number[] = [];
      await store.changeSessions([newId(), foreign.id, "malformed", own.id], (index, found) => {
        indexes.push(index);
        asked.push(found);
        return null;
      });
      expect(indexes).toEqual([0, 1, 2, 3]);
      expect(asked).toStrictEqual([null, { session: foreign, user: ada }, null, { session: own, user: null }]);
    });

    it("writes with a rotation where it came from and when it was used before, and keeps them where neither is given", async () => {
      const store = await open();
      const session = newSession({ ...full, revokedAt: null, revokedFor: null });
      await store.createSessions([vouched(session)]);
      const use = { usedBefore: NOW + 1, lastIp: "192.0.2.1", lastUserAgent: null };
      await store.changeSessions([session.id], () => ({ rotation, use }));
      expect(await store.findSession(session.id)).toStrictEqual({ ...session, ...use, rotation });
      const later = { ...rotation, reuseForgivenAt: NOW + 8 };
      await store.changeSessions([session.id], () => ({ rotation: later }));
      expect(await store.findSession(session.id)).toStrictEqual({ ...session, ...use, rotation: later });
    });

    it("writes a rotation, and with it a new authTime only where one is given, and nothing else", async () => {
      const store = await open();
      const sessions = [newSession({ ...full, revokedAt: null, revokedFor: null }), newSession(), newSession()];
      const [first, second, untouched] = sessions as [Session, Session, Session];
      await store.createSessions(sessions.map((session) => vouched(session)));
      const greatest = {
        confirmed: MAX_GENERATION - 1,
        pendingFrom: MAX_GENERATION,
        pendingTo: MAX_GENERATION,
        rotatedAt: NOW + 5,
        reuseForgivenAt: NOW + 4,
      };
      const changes: (SessionChange | null)[] = [{ rotation: greatest }, { rotation, authTime: NOW + 6 }, null];
      await store.changeSessions(
        sessions.map(({ id }) => id),
        (index) => changes[index] ?? null,
      );
      expect(await store.findSession(first.id)).toStrictEqual({ ...first, rotation: greatest });
      expect(await store.findSession(second.id)).toStrictEqual({ ...second, rotation, authTime: NOW + 6 });
      expect(await store.findSession(untouched.id)).toStrictEqual(untouched);
    });

    it("writes a revocation, which no later change can lift, overwrite or rotate past", async () => {
      const store = await open();
      const session = newSession();
      await store.createSessions([vouched(session)]);
      const revoked: Session = { ...session, revokedAt: NOW + 1, revokedFor: "refresh_token_reused" };
      await store.changeSessions([session.id], () => ({ revocation: { at: NOW + 1, reason: "refresh_token_reused" } }));
      expect(await store.findSession(session.id)).toStrictEqual(revoked);
      await store.changeSessions([session.id], () => ({ revocation: { at: NOW + 2, reason: "logout" } }));
      await store.changeSessions([session.id], () => ({ rotation, authTime: NOW + 3 }));
      expect(await store.findSession(session.id)).toStrictEqual(revoked);
    });

    it("writes nothing of a batch in which a decision throws, rejects with what it threw, and goes on", async () => {
      const store = await open();
      const [first, second] = [newSession(), newSession()];
      await store.createSessions([vouched(first), vouched(second)]);
      const thrown = new Error("a decision that fails");
      const act = store.changeSessions([first.id, second.id], (index) => {
        if (index === 1) throw thrown;
        return { rotation };
      });
      await expect(act).rejects.toBe(thrown);
      expect(await store.findSession(first.id)).toStrictEqual(first);
      expect(store.statistics.sessionWrites).toBe(0);
      await store.changeSessions([first.id], () => ({ rotation }));
      expect(await store.findSession(first.id)).toStrictEqual({ ...first, rotation });
    });

    it("refuses a batch that names a session twice with a TypeError", async () => {
      const store = await open();
      const session = newSession();
      await store.createSessions([vouched(session)]);
      await expect(store.changeSessions([session.id, session.id], () => ({ rotation }))).rejects.toThrow(TypeError);
      expect(await store.findSession(session.id)).toStrictEqual(session);
    });

    it("loses no change when two connections change the same sessions at once", async () => {
      const stores = [await open(), await open()] as const;
      const sessions = Array.from({ length: 4 }, () => newSession());
      await stores[0].createSessions(sessions.map((session) => vouched(session)));
      const ids = sessions.map(({ id }) => id);
      await Promise.all(
        Array.from({ length: 40 }, (_, round) =>
          stores[round % 2 === 0 ? 0 : 1].changeSessions(round % 4 < 2 ? ids : ids.toReversed(), (_, found) => {
            const { rotation } = (found as FoundSession).session;
            const { confirmed, pendingFrom, pendingTo } = rotation;
            const next = { confirmed: confirmed + 1, pendingFrom: pendingFrom + 1, pendingTo: pendingTo + 1 };
            return { rotation: { ...rotation, ...next } };
          }),
        ),
      );
      for (const id of ids)
        expect((await stores[1].findSession(id))?.rotation).toMatchObject({ confirmed: 40, pendingTo: 41 });
    });

    it("counts a row for every session it wrote, and none where nothing was to be written", async () => {
      const store = await open();
      const sessions = Array.from({ length: 3 }, () => newSession());
      await store.createSessions(sessions.map((session) => vouched(session)));
      const before = { ...store.statistics };
      const ids = [...sessions.map(({ id }) => id), newId()];
      await store.changeSessions(ids, (index) => {
        if (index === 0) return null;
        return index === 1 ? { revocation: { at: NOW, reason: "logout" } } : { rotation };
      });
      expect(store.statistics.sessionWrites - before.sessionWrites).toBe(2);
      expect(store.statistics.transactions - before.transactions).toBe(1);
    });
  });

  describe("listing", () => {
    it("lists a subject's sessions that are neither revoked nor past their absolute end, newest first", async () => {
      const store = await open();
      const subject = newId();
      const [old, recent, middle, revoked, ended, lastMoment] = [
        newSession({ subject, createdAt: NOW - 3 * DAY }),
        newSession({ ...full, subject, createdAt: NOW - 1, revokedAt: null, revokedFor: null }),
        newSession({ subject, createdAt: NOW - 2 }),
        newSession({ subject, revokedAt: NOW, revokedFor: "logout" }),
        newSession({ subject, expiresAt: NOW }),
        newSession({ subject, createdAt: NOW - 9 * DAY, expiresAt: NOW + 1 }),
      ];
      const sessions = [old, recent, middle, revoked, ended, lastMoment, newSession()];
      await store.createSessions(sessions.map((session) => vouched(session)));
      expect(await store.listSessions(subject, NOW)).toStrictEqual([recent, middle, old, lastMoment]);
      expect(await store.listSessions(newId(), NOW)).toEqual([]);
    });

    it("lists every live session of everyone, newest first, up to the limit", async () => {
      const store = await open();
      const sessions = Array.from({ length: 5 }, (_, age) => newSession({ createdAt: NOW - age }));
      const [newest, second, third] = sessions as [Session, Session, Session];
      const notLive = [newSession({ revokedAt: NOW, revokedFor: "logout" }), newSession({ expiresAt: NOW })];
      await store.createSessions([...sessions.toReversed(), ...notLive].map((session) => vouched(session)));
      expect(await store.listLiveSessions(NOW, 3)).toStrictEqual([newest, second, third]);
      expect(await store.listLiveSessions(NOW, 1000)).toHaveLength(5);
      expect(await store.listLiveSessions(NOW, 0)).toEqual([]);
    });
  });
}
