import { describe, expect, it } from "vitest";
import {
  decideRefreshes,
  type RefreshPolicy,
  type RefreshRequest,
  wouldBeAnswered,
} from "../../src/engine/refresh-decision.ts";
import { MAX_GENERATION } from "../../src/records/rotation.ts";
import type { FoundSession } from "../../src/store/session-store.ts";
import { newSession, newUser } from "../support/records.ts";

const NOW = Date.UTC(2026, 10, 21);
const policy: RefreshPolicy = {
  rotationGraceSeconds: 10,
  staleWithProof: "answer",
  idleTtlSeconds: 3600,
  subjectsAreUsers: true,
};
const rotation = { confirmed: 4, pendingFrom: 5, pendingTo: 5, rotatedAt: NOW - 60_000, reuseForgivenAt: null };

function found(
  changes: Partial<FoundSession["session"]> = {},
  user: FoundSession["user"] = newUser({ disabledAt: null, roles: ["editor"] }),
): FoundSession {
  return {
    session: newSession({ rotation, expiresAt: NOW + 3_600_000, revokedAt: null, revokedFor: null, ...changes }),
    user,
  };
}

const token = (
  generation: number,
  authentic = true,
  given: Partial<Omit<RefreshRequest, "token">> = {},
): RefreshRequest => ({
  token: { sessionId: "s", generation, isAuthentic: () => authentic },
  clientId: "web",
  jkt: undefined,
  ...given,
});

const kinds = (session: FoundSession | null, ...tokens: RefreshRequest[]) => {
  const { outcomes, change } = decideRefreshes(session, tokens, NOW, policy);
  return { outcomes: outcomes.map((outcome) => (outcome.kind === "refused" ? outcome.code : outcome.kind)), change };
};

describe("decideRefreshes", () => {
  it("decides twins in order on one record and writes once for all of them", () => {
    const { outcomes, change } = decideRefreshes(found(), [token(5), token(5), token(5)], NOW, policy);
    expect(outcomes).toMatchObject([
      { kind: "issued", generation: 6, decision: "advance", roles: ["editor"] },
      { kind: "issued", generation: 6, decision: "repeat" },
      { kind: "issued", generation: 6, decision: "repeat" },
    ]);
    expect(change).toEqual({
      rotation: { confirmed: 5, pendingFrom: 6, pendingTo: 6, rotatedAt: NOW, reuseForgivenAt: null },
      use: { usedBefore: NOW - 60_000, lastIp: null, lastUserAgent: null },
    });
  });

  it("writes with a rotation where it came from, and when the session was last used before this hour", () => {
    const before = { ...rotation, rotatedAt: NOW - 1_800_000 };
    const from = { ip: "192.0.2.7", userAgent: "curl/8" };
    const { change } = decideRefreshes(found({ rotation: before }), [token(5, true, { from })], NOW, policy);
    expect(change).toMatchObject({
      use: { usedBefore: NOW - 1_800_000, lastIp: "192.0.2.7", lastUserAgent: "curl/8" },
    });
  });

  it("says of a twin where the token was first presented from, in the same batch as well", () => {
    const from = (ip: string) => ({ from: { ip, userAgent: "curl/8" } });
    const { outcomes } = decideRefreshes(
      found({ lastIp: "192.0.2.1", lastUserAgent: "Firefox" }),
      [token(5, true, from("192.0.2.7")), token(5, true, from("192.0.2.8"))],
      NOW,
      policy,
    );
    expect(outcomes).toMatchObject([
      { decision: "advance", before: { ip: "192.0.2.1", userAgent: "Firefox" } },
      { decision: "repeat", before: { ip: "192.0.2.7", userAgent: "curl/8" } },
    ]);
  });

  it("returns the newest token for a stale one of a session that is bound to a key, and writes nothing", () => {
    const bound = found({ jkt: "the key" });
    expect(decideRefreshes(bound, [token(2, true, { jkt: "the key" })], NOW, policy)).toMatchObject({
      outcomes: [{ kind: "issued", decision: "caught_up", generation: 5 }],
      change: null,
    });
  });

  it("returns it to a confidential client that has authenticated, and ends the session of one that has not", () => {
    const { outcomes, change } = decideRefreshes(
      found(),
      [token(2, true, { isClientAuthenticated: true }), token(2)],
      NOW,
      policy,
    );
    expect(outcomes).toMatchObject([{ kind: "issued", decision: "caught_up" }, { kind: "reused" }]);
    expect(change).toEqual({ revocation: { at: NOW, reason: "refresh_token_reused" } });
  });

  it("takes no proof of any key for one of a session that is bound to none", () => {
    expect(kinds(found(), token(2, true, { jkt: "any key" })).outcomes).toEqual(["reused"]);
  });

  it("forgives all of a burst by clients that have gone, and writes the first of them alone", () => {
    const recent = { ...rotation, rotatedAt: NOW - 1000 };
    const gone = token(3, true, { hasGone: () => true });
    expect(kinds(found({ rotation: recent }), gone, gone, gone)).toMatchObject({
      outcomes: ["forgiven", "forgiven", "forgiven"],
      change: { rotation: { ...recent, reuseForgivenAt: NOW } },
    });
  });

  it("asks again before it is reuse where the client may yet turn out to have gone", () => {
    expect(kinds(found(), token(3, true, { hasGone: () => false, mayHaveGone: true }))).toEqual({
      outcomes: ["perhaps_reused"],
      change: null,
    });
  });

  it("writes nothing for a racing twin that comes alone", () => {
    const quick = { ...rotation, rotatedAt: NOW - 1000 };
    expect(kinds(found({ rotation: quick }), token(4))).toEqual({ outcomes: ["issued"], change: null });
  });

  it("revokes on reuse, and whatever comes after it in the batch finds the session revoked", () => {
    expect(kinds(found(), token(5), token(3), token(5))).toEqual({
      outcomes: ["issued", "reused", "session_revoked"],
      change: { revocation: { at: NOW, reason: "refresh_token_reused" } },
    });
  });

  it("SECURITY 68: refuses every generation from another client, touches no row and takes it for no reuse", () => {
    for (const generation of [0, 3, 4, 5, 6, 4000]) {
      for (const clientId of ["first-party", "we", "Web", ""]) {
        expect(kinds(found(), token(generation, true, { clientId }))).toEqual({
          outcomes: ["invalid_refresh_token"],
          change: null,
        });
      }
    }
    const revoked = found({ revokedAt: NOW - 1, revokedFor: "logout" });
    expect(kinds(revoked, token(5, true, { clientId: "other" })).outcomes).toEqual(["invalid_refresh_token"]);
    expect(kinds(found(), token(5, true, { clientId: "other" }), token(5)).outcomes).toEqual([
      "invalid_refresh_token",
      "issued",
    ]);
  });

  it("gives a part of the session's scope to one access token, and refuses more without touching the row", () => {
    const session = found({ scope: "read write" });
    const [one, other] = decideRefreshes(session, [token(5, true, { scope: "read" }), token(5)], NOW, policy).outcomes;
    expect(one).toMatchObject({ kind: "issued", session: { scope: "read" } });
    expect(other).toMatchObject({ kind: "issued", session: { scope: "read write" } });
    for (const scope of ["read admin", "admin", '"', "read\nwrite", ""]) {
      expect(kinds(session, token(5, true, { scope }))).toEqual({ outcomes: ["invalid_scope"], change: null });
    }
    expect(kinds(found(), token(5, true, { scope: "read" }))).toEqual({ outcomes: ["invalid_scope"], change: null });
  });

  it("tells beforehand what would be answered: exactly what is", () => {
    const sessions = [
      found(),
      found({ revokedAt: NOW, revokedFor: "logout" }),
      found({ expiresAt: NOW }),
      found({}, null),
      found({}, newUser({ disabledAt: NOW })),
      found({ rotation: { ...rotation, rotatedAt: NOW - 1 } }),
    ];
    for (const session of sessions) {
      for (let generation = 0; generation < 8; generation++) {
        for (const request of [
          token(generation),
          token(generation, false),
          token(generation, true, { clientId: "x" }),
        ]) {
          expect(wouldBeAnswered(session, request, NOW, policy)).toBe(kinds(session, request).outcomes[0] === "issued");
        }
      }
    }
    expect(wouldBeAnswered(found(), token(5), NOW, policy)).toBe(true);
    expect(wouldBeAnswered(found(), token(3), NOW, policy)).toBe(false);
  });

  it("never touches the row for a forged token, alone or among good ones", () => {
    expect(kinds(found(), token(3, false))).toEqual({ outcomes: ["invalid_refresh_token"], change: null });
    expect(kinds(found(), token(3, false), token(5)).outcomes).toEqual(["invalid_refresh_token", "issued"]);
    expect(kinds(null, token(5))).toEqual({ outcomes: ["invalid_refresh_token"], change: null });
  });

  it("re-reads the user: one who is disabled or deleted is refused and the session revoked", () => {
    const change = { revocation: { at: NOW, reason: "user_disabled" } };
    for (const user of [null, newUser({ disabledAt: NOW - 1 })]) {
      expect(kinds(found({}, user), token(5), token(5))).toEqual({
        outcomes: ["subject_gone", "session_revoked"],
        change,
      });
      const elsewhere = decideRefreshes(found({}, user), [token(5)], NOW, { ...policy, subjectsAreUsers: false });
      expect(elsewhere.outcomes).toMatchObject([{ kind: "issued" }]);
    }
  });

  it("tells revoked from expired, by the absolute and by the idle end, each exact", () => {
    const revoked = found({ revokedAt: NOW, revokedFor: "logout" });
    expect(kinds(revoked, token(5))).toEqual({ outcomes: ["session_revoked"], change: null });
    const idleEnd = (rotatedAt: number) => kinds(found({ rotation: { ...rotation, rotatedAt } }), token(5)).outcomes;
    expect(idleEnd(NOW - 3_600_000)).toEqual(["session_expired"]);
    expect(idleEnd(NOW - 3_599_999)).toEqual(["issued"]);
    expect(kinds(found({ expiresAt: NOW }), token(5)).outcomes).toEqual(["session_expired"]);
    expect(kinds(found({ expiresAt: NOW + 1 }), token(5)).outcomes).toEqual(["issued"]);
  });

  it("ends a session whose generations are used up rather than issue one that no token can carry", () => {
    const last = {
      confirmed: 1,
      pendingFrom: MAX_GENERATION - 1,
      pendingTo: MAX_GENERATION - 1,
      rotatedAt: NOW,
      reuseForgivenAt: null,
    };
    expect(kinds(found({ rotation: last }), token(MAX_GENERATION - 1)).outcomes).toEqual(["session_expired"]);
    expect(kinds(found(), token(MAX_GENERATION)).outcomes).toEqual(["session_expired"]);
    expect(decideRefreshes(found(), [token(MAX_GENERATION - 1)], NOW, policy).outcomes).toMatchObject([
      { generation: MAX_GENERATION },
    ]);
  });
});
