import { expect, it } from "vitest";
import { DAY, NOW, newSession, vouched } from "../support/records.ts";
import type { OpenStore } from "./place.ts";

export function describeSweep(open: OpenStore): void {
  it("deletes the sessions whose absolute end has come, revoked or not, and no other", async () => {
    const store = await open();
    const ended = [
      newSession({ expiresAt: NOW }),
      newSession({ expiresAt: NOW - DAY, revokedAt: NOW - DAY, revokedFor: "logout" }),
    ];
    const kept = [
      newSession({ expiresAt: NOW + 1 }),
      newSession({ revokedAt: NOW - 90 * DAY, revokedFor: "refresh_token_reused", createdAt: NOW - 90 * DAY }),
      newSession({ createdAt: NOW - 29 * DAY, expiresAt: NOW + DAY }),
    ];
    await store.createSessions([...ended, ...kept].map((session) => vouched(session)));
    expect(await store.sweep({ endedBy: NOW, revokedBy: 0, limit: 10 })).toEqual({ sessions: 2, revocations: 0 });
    for (const { id } of ended) expect(await store.findSession(id)).toBeNull();
    for (const session of kept) expect(await store.findSession(session.id)).toStrictEqual(session);
  });

  it("deletes the entries of the revocation log that are old enough, and leaves the revoked sessions revoked", async () => {
    const store = await open();
    const [old, recent] = [newSession(), newSession()];
    await store.createSessions([vouched(old), vouched(recent)]);
    await store.revokeSessions([old.id], { at: NOW, reason: "logout" });
    await store.revokeSessions([recent.id], { at: NOW + 1, reason: "logout" });
    expect(await store.sweep({ endedBy: 0, revokedBy: NOW, limit: 10 })).toEqual({ sessions: 0, revocations: 1 });
    expect((await store.listRevocations(0, 0, 10)).map(({ sessionId }) => sessionId)).toEqual([recent.id]);
    expect((await store.findSession(old.id))?.revokedFor).toBe("logout");
  });

  it("numbers the entries that come after a sweep above all that it deleted", async () => {
    const store = await open();
    const [first, second] = [newSession(), newSession()];
    await store.createSessions([vouched(first), vouched(second)]);
    await store.revokeSessions([first.id], { at: NOW, reason: "logout" });
    const [entry] = await store.listRevocations(0, 0, 10);
    await store.sweep({ endedBy: 0, revokedBy: NOW, limit: 10 });
    await store.revokeSessions([second.id], { at: NOW + 1, reason: "logout" });
    expect((await store.listRevocations(entry?.sequence ?? 0, 0, 10)).map(({ sessionId }) => sessionId)).toEqual([
      second.id,
    ]);
  });

  it("deletes no more than the limit at once, the oldest first", async () => {
    const store = await open();
    const sessions = [3, 1, 2].map((age) => newSession({ expiresAt: NOW - age }));
    await store.createSessions(sessions.map((session) => vouched(session)));
    expect((await store.sweep({ endedBy: NOW, revokedBy: 0, limit: 2 })).sessions).toBe(2);
    const left = await Promise.all(sessions.map(async ({ id }) => (await store.findSession(id)) !== null));
    expect(left).toEqual([false, true, false]);
    expect((await store.sweep({ endedBy: NOW, revokedBy: 0, limit: 2 })).sessions).toBe(1);
  });

  it("remembers the ids of sessions that were created only if there was none, and never uses them again", async () => {
    const [one, two] = [await open(), await open()];
    const [ended, other] = [newSession({ expiresAt: NOW }), newSession({ expiresAt: NOW })];
    const adopted = { ...vouched(ended), ifAbsent: true };
    expect(await one.createSessions([adopted, adopted, vouched(other)])).toEqual([
      { created: true, evicted: [] },
      { created: false },
      { created: true, evicted: [] },
    ]);
    await two.sweep({ endedBy: NOW, revokedBy: 0, limit: 10 });
    const again = { ...vouched({ ...ended, subject: other.subject, expiresAt: NOW + DAY }), ifAbsent: true };
    const fresh = { ...vouched(newSession()), ifAbsent: true };
    for (const store of [one, two])
      expect(await store.createSessions([again])).toEqual([{ created: false, hasEnded: true }]);
    expect(await one.createSessions([again, fresh, again])).toEqual([
      { created: false, hasEnded: true },
      { created: true, evicted: [] },
      { created: false, hasEnded: true },
    ]);
    expect(await two.findSession(ended.id)).toBeNull();
    // One that was created without that is remembered by nothing.
    expect(await two.createSessions([{ ...vouched(other), ifAbsent: true }])).toEqual([{ created: true, evicted: [] }]);
  });

  it("remembers the id of a session too that was only found when it was to be created", async () => {
    const store = await open();
    const session = newSession({ expiresAt: NOW });
    await store.createSessions([vouched(session)]);
    const adopted = { ...vouched(session), ifAbsent: true };
    expect(await store.createSessions([adopted])).toEqual([{ created: false }]);
    await store.sweep({ endedBy: NOW, revokedBy: 0, limit: 10 });
    expect(await store.createSessions([adopted])).toEqual([{ created: false, hasEnded: true }]);
  });

  it("lets several processes sweep at once, and counts every row once", async () => {
    const [one, two] = [await open(), await open()];
    await one.createSessions(Array.from({ length: 60 }, () => vouched(newSession({ expiresAt: NOW }))));
    let swept = 0;
    for (let rounds = 0; rounds < 20 && swept < 60; rounds++) {
      const both = await Promise.all([one, two].map((store) => store.sweep({ endedBy: NOW, revokedBy: 0, limit: 10 })));
      for (const { sessions } of both) swept += sessions;
    }
    expect(swept).toBe(60);
  });
}
