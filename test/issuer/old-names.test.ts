import { describe, expect, it } from "vitest";
import type { Issuer } from "../../src/index.ts";
import { createTestBed, PASSWORD } from "../support/test-bed.ts";

/** Every name from before the members were grouped, with the function that has it now. A name that is missing does not compile. */
const grouped: Readonly<Record<OldName, (issuer: Issuer) => unknown>> = {
  listSessions: ({ sessions }) => sessions.list,
  revokeSession: ({ sessions }) => sessions.revoke,
  revokeEverySession: ({ sessions }) => sessions.revokeEvery,
  adoptSessions: ({ sessions }) => sessions.adopt,
  sessionEnd: ({ sessions }) => sessions.endsAt,
  timesShown: ({ sessions }) => sessions.timesShown,
  sessionOf: ({ sessions }) => sessions.idOf,
  sessionToEnd: ({ sessions }) => sessions.idToEnd,
  jwks: ({ keys }) => keys.jwks,
  listKeys: ({ keys }) => keys.list,
  rotateKeys: ({ keys }) => keys.rotate,
  deviceToken: ({ users }) => users.deviceToken,
};

/** What is neither a group nor used on every request. */
type OldName = Exclude<keyof Issuer, (typeof membersNow)[number]>;

const membersNow = [
  ...["options", "origin", "sessions", "keys", "users", "clients", "throttles", "revocationFeed"],
  ...["login", "issue", "reauthenticate", "refresh", "logout", "logoutAll", "revoke", "introspect"],
  ...["verify", "verifyAny", "verifyRemembered", "csrfToken", "isCsrfToken", "dpopNonce"],
  ...["metrics", "check", "close"],
] as const;

describe("the issuer's members under the names from before they were grouped", () => {
  it.each(Object.entries(grouped))("%s is the same function as its grouped one", async (name, groupedOne) => {
    const { issuer } = await createTestBed();
    expect(issuer[name as OldName]).toBeTypeOf("function");
    expect(issuer[name as OldName]).toBe(groupedOne(issuer));
  });

  it("are all that the issuer has beside its groups and what is used on every request", async () => {
    const { issuer } = await createTestBed();
    expect(Object.keys(issuer).sort()).toEqual([...membersNow, ...Object.keys(grouped)].sort());
  });

  it("work without the issuer in front, as grouped ones do", async () => {
    const { issuer } = await createTestBed();
    const { id } = await issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
    const { sessionId, refreshToken, accessToken } = await issuer.issue({ subject: id });
    const { list, idOf, idToEnd } = issuer.sessions;
    expect((await list(id)).map((session) => session.id)).toEqual([sessionId]);
    expect(idOf(refreshToken)).toBe(sessionId);
    expect(await idToEnd(accessToken)).toBe(sessionId);
  });
});
