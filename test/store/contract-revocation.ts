import { setImmediate as endOfTurn } from "node:timers/promises";
import { expect, it } from "vitest";
import type { RevokedSession } from "../../src/records/revocation.ts";
import type { Session } from "../../src/records/session.ts";
import { NOW, newId, newSession, newUser, passwordChange, vouched } from "../support/records.ts";
import type { OpenStore } from "./place.ts";

export function describeRevocation(open: OpenStore): void {
  it("revokes the sessions named, gives those that were not yet revoked, and never overwrites a revocation", async () => {
    const store = await open();
    const sessions = [newSession(), newSession({ expiresAt: NOW - 1 }), newSession()];
    const [live, ended, left] = sessions as [Session, Session, Session];
    await store.createSessions(sessions.map((session) => vouched(session)));
    expect(await store.revokeSessions([live.id], { at: NOW + 1, reason: "logout" })).toEqual([live.id]);
    const revoked = await store.revokeSessions([newId(), ended.id, "malformed", live.id, ended.id], {
      at: NOW + 2,
      reason: "administrator",
    });
    expect(revoked).toEqual([ended.id]);
    expect(await store.findSession(live.id)).toStrictEqual({ ...live, revokedAt: NOW + 1, revokedFor: "logout" });
    expect(await store.findSession(ended.id)).toMatchObject({ revokedAt: NOW + 2, revokedFor: "administrator" });
    expect(await store.findSession(left.id)).toStrictEqual(left);
    expect(await store.revokeSessions([], { at: NOW, reason: "logout" })).toEqual([]);
  });

  it("revokes all of a subject's sessions but the one excepted, and nobody else's", async () => {
    const store = await open();
    const subject = newId();
    const sessions = Array.from({ length: 4 }, () => newSession({ subject }));
    const [kept, gone, alreadyRevoked, ended] = sessions as [Session, Session, Session, Session];
    const another = newSession();
    await store.createSessions(
      [kept, gone, alreadyRevoked, { ...ended, expiresAt: NOW - 1 }, another].map((session) => vouched(session)),
    );
    await store.revokeSessions([alreadyRevoked.id], { at: NOW + 1, reason: "logout" });
    const revoked = await store.revokeSubjectSessions(subject, { at: NOW + 2, reason: "logout_all" }, kept.id);
    expect(revoked.toSorted()).toEqual([gone.id, ended.id].toSorted());
    expect(await store.findSession(alreadyRevoked.id)).toMatchObject({ revokedAt: NOW + 1, revokedFor: "logout" });
    expect(await store.findSession(kept.id)).toStrictEqual(kept);
    expect(await store.findSession(another.id)).toStrictEqual(another);
    expect(await store.revokeSubjectSessions(subject, { at: NOW + 3, reason: "logout_all" })).toEqual([kept.id]);
    expect(await store.revokeSubjectSessions(newId(), { at: NOW, reason: "logout_all" })).toEqual([]);
  });

  it("revokes every live session in acts of a limited size, and gives each once with its subject", async () => {
    const store = await open();
    const live = Array.from({ length: 7 }, () => newSession());
    const ended = newSession({ expiresAt: NOW });
    const gone = newSession();
    await store.createSessions([...live, ended, gone].map((session) => vouched(session)));
    await store.revokeSessions([gone.id], { at: NOW, reason: "logout" });
    const revoked = [];
    let afterId: string | null = null;
    for (const expected of [3, 3, 1]) {
      const request = { at: NOW + 1, reason: "administrator", afterId, limit: 3, alsoLogged: null } as const;
      const act: readonly RevokedSession[] = await store.revokeEverySession(request);
      expect(act).toHaveLength(expected);
      revoked.push(...act);
      afterId = act.at(-1)!.id;
    }
    const byId = (one: RevokedSession, other: RevokedSession) => (one.id < other.id ? -1 : 1);
    expect(revoked.toSorted(byId)).toEqual(live.map(({ id, subject }) => ({ id, subject })).toSorted(byId));
    for (const session of live) {
      expect(await store.findSession(session.id)).toMatchObject({ revokedAt: NOW + 1, revokedFor: "administrator" });
    }
    expect(await store.findSession(gone.id)).toMatchObject({ revokedAt: NOW, revokedFor: "logout" });
    expect(await store.findSession(ended.id)).toStrictEqual(ended);
    const log = (await store.listRevocations(0, NOW + 1, 100)).map(({ sessionId }) => sessionId);
    expect(log.toSorted()).toEqual(live.map(({ id }) => id).toSorted());
  });

  it("appends to the log, in the act that revokes every session, what no session has for an id", async () => {
    const store = await open();
    const alsoLogged = newId();
    const request = { at: NOW, reason: "administrator", afterId: null, limit: 3, alsoLogged } as const;
    expect(await store.revokeEverySession(request)).toEqual([]);
    expect(await store.listRevocations(0, 0, 10)).toEqual([
      { sequence: expect.any(Number), sessionId: alsoLogged, at: NOW },
    ]);
  });

  it("appends every revocation to the log once, whatever act it came from, in the order of the acts", async () => {
    const store = await open();
    const [ada, eve] = [newUser(), newUser()];
    await store.createUser(ada);
    await store.createUser(eve);
    const subject = newId();
    const byId = newSession();
    const bySubject = newSession();
    const byPassword = newSession({ subject: ada.id });
    const byDisabling = newSession({ subject: eve.id });
    const byEviction = newSession({ subject });
    const byChange = newSession();
    const sessions = [byId, bySubject, byPassword, byDisabling, byEviction, byChange];
    await store.createSessions(sessions.map((session) => vouched(session)));

    await store.revokeSessions([byId.id], { at: NOW + 1, reason: "logout" });
    await store.revokeSubjectSessions(bySubject.subject, { at: NOW + 2, reason: "logout_all" });
    await store.changePassword(passwordChange(ada, {}, { createdAt: NOW + 3 }));
    await store.disableUser(eve.id, NOW + 4);
    await store.createSessions([vouched(newSession({ subject, createdAt: NOW + 5 }), 1)]);
    await store.changeSessions([byChange.id], () => ({ revocation: { at: NOW + 6, reason: "refresh_token_reused" } }));
    await store.revokeSessions([byId.id, byChange.id], { at: NOW + 7, reason: "administrator" });

    const expected = [byId, bySubject, byPassword, byDisabling, byEviction, byChange].map(({ id }, index) => ({
      sequence: expect.any(Number),
      sessionId: id,
      at: NOW + 1 + index,
    }));
    await store.close();
    const log = await (await open()).listRevocations(0, 0, 100);
    expect(log).toEqual(expected);
    expect(log.every(({ sequence }, index) => sequence > (log[index - 1]?.sequence ?? 0))).toBe(true);
  });

  it("appends nothing for an act that fails", async () => {
    const store = await open();
    const [first, second] = [newSession(), newSession()];
    await store.createSessions([vouched(first), vouched(second)]);
    const act = store.changeSessions([first.id, second.id], (index) => {
      if (index === 1) throw new Error("a decision that fails");
      return { revocation: { at: NOW, reason: "logout" } };
    });
    await expect(act).rejects.toThrow("a decision that fails");
    expect(await store.listRevocations(0, 0, 100)).toEqual([]);
    expect(await store.findSession(first.id)).toStrictEqual(first);
  });

  it("gives the log in pages that a reader puts together without a gap or a double", async () => {
    const store = await open();
    const sessions = Array.from({ length: 7 }, () => newSession());
    await store.createSessions(sessions.map((session) => vouched(session)));
    for (const { id } of sessions) await store.revokeSessions([id], { at: NOW, reason: "logout" });
    const read: string[] = [];
    let last = 0;
    for (let pages = 0; pages < 4; pages++) {
      const page = await store.listRevocations(last, 0, 3);
      expect(page.length).toBeLessThanOrEqual(3);
      read.push(...page.map(({ sessionId }) => sessionId));
      last = page.at(-1)?.sequence ?? last;
    }
    expect(read).toEqual(sessions.map(({ id }) => id));
  });

  it("gives every entry that was revoked at `since` or later", async () => {
    const store = await open();
    const sessions = Array.from({ length: 3 }, () => newSession());
    await store.createSessions(sessions.map((session) => vouched(session)));
    for (const [index, { id }] of sessions.entries())
      await store.revokeSessions([id], { at: NOW + index, reason: "logout" });
    const log = await store.listRevocations(0, NOW + 1, 100);
    expect(log.filter(({ at }) => at >= NOW + 1).map(({ sessionId }) => sessionId)).toEqual([
      sessions[1]?.id,
      sessions[2]?.id,
    ]);
  });

  it("shows a reader on another connection every entry, while two connections revoke at once", async () => {
    const [one, two, reader] = [await open(), await open(), await open()];
    const sessions = Array.from({ length: 30 }, () => newSession());
    await one.createSessions(sessions.map((session) => vouched(session)));
    const seen: string[] = [];
    let last = 0;
    const follow = async () => {
      for (const { sequence, sessionId } of await reader.listRevocations(last, 0, 1000)) {
        expect(sequence).toBeGreaterThan(last);
        last = sequence;
        seen.push(sessionId);
      }
    };
    let revoking = true;
    const writers = Promise.all(
      sessions.map(({ id }, index) =>
        (index % 2 === 0 ? one : two).revokeSessions([id], { at: NOW, reason: "logout" }),
      ),
    ).finally(() => {
      revoking = false;
    });
    while (revoking) {
      await follow();
      // Reading alone may never let the event loop turn, in which the writers hear of their commits.
      await endOfTurn();
    }
    await writers;
    await follow();
    expect(seen.toSorted()).toEqual(sessions.map(({ id }) => id).toSorted());
  });
}
