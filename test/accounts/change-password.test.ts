import { describe, expect, it } from "vitest";
import type { User } from "../../src/records/user.ts";
import { newSession } from "../support/records.ts";
import { ADDRESS, accountsWorld, OTHER_PASSWORD, PASSWORD, refusal, WRONG_PASSWORD } from "./accounts-world.ts";

const world = accountsWorld();

describe("changePassword", () => {
  const requestOf = (user: User) => ({
    user,
    currentPassword: PASSWORD,
    newPassword: OTHER_PASSWORD,
    fromSessionId: null,
    newSession: () => newSession({ subject: user.id }),
    address: ADDRESS,
  });

  it("replaces the password, revokes every session, opens the new one, and returns it with the ids of the others", async () => {
    const user = await world.createAlice();
    const [from, one, two] = [
      await world.openSession(user, "from"),
      await world.openSession(user, "one"),
      await world.openSession(user, "two"),
    ];
    const { session, revoked } = await world.accounts.changePassword({ ...requestOf(user), fromSessionId: from });
    expect([...revoked].sort()).toEqual([from, one, two].sort());
    for (const id of revoked)
      expect(await world.store.findSession(id)).toMatchObject({ revokedFor: "password_changed" });
    expect(await world.store.findSession(session.id)).toEqual(session);
    await refusal(world.accounts.authenticate({ username: "alice", password: PASSWORD }, ADDRESS));
    await world.accounts.authenticate({ username: "alice", password: OTHER_PASSWORD }, ADDRESS);
  });

  it("is session_revoked where the session that it is made in has ended, and changes nothing", async () => {
    const user = await world.createAlice();
    const from = await world.openSession(user, "from");
    await world.store.revokeSessions([from], { at: world.now(), reason: "logout" });
    const error = await refusal(world.accounts.changePassword({ ...requestOf(user), fromSessionId: from }));
    expect(error.code).toBe("session_revoked");
    expect(await world.store.findUser(user.id)).toEqual(user);
  });

  it("needs the current password, and failures count against the limiter", async () => {
    world.use({ failuresPerAccountAndAddressPer15Minutes: 2 });
    const user = await world.createAlice();
    const wrong = { ...requestOf(user), currentPassword: WRONG_PASSWORD };
    expect(await refusal(world.accounts.changePassword(wrong))).toMatchObject({ code: "wrong_password" });
    expect(await refusal(world.accounts.changePassword(wrong))).toMatchObject({ code: "wrong_password" });
    const before = world.passwords.statistics().computed;
    expect(await refusal(world.accounts.changePassword(requestOf(user)))).toMatchObject({ code: "too_many_requests" });
    expect(world.passwords.statistics().computed).toBe(before);
    expect(await world.store.findUser(user.id)).toEqual(user);
  });

  it.each([
    ["password_rejected", "too short"],
    ["password_rejected", "passwordpassword"],
    ["password_rejected", PASSWORD],
    ["password_rejected", PASSWORD.replaceAll(" ", "\u00a0")],
    ["invalid_request", "x".repeat(1025)],
  ])(
    "throws %s for a new password that is not acceptable or the current one, without a hash",
    async (code, newPassword) => {
      const user = await world.createAlice();
      const before = world.passwords.statistics().computed;
      expect(await refusal(world.accounts.changePassword({ ...requestOf(user), newPassword }))).toMatchObject({ code });
      expect(world.passwords.statistics().computed).toBe(before);
      expect(await world.store.findUser(user.id)).toEqual(user);
    },
  );

  it("of two changes at the same time one wins and the other is wrong_password", async () => {
    const user = await world.createAlice();
    const candidates = [OTHER_PASSWORD, "a key inside the mailbox"];
    const results = await Promise.allSettled(
      candidates.map((newPassword) => world.accounts.changePassword({ ...requestOf(user), newPassword })),
    );
    const won = results.findIndex(({ status }) => status === "fulfilled");
    expect(results[1 - won]).toMatchObject({
      status: "rejected",
      reason: { code: "wrong_password", detail: "changed_meanwhile" },
    });
    await world.accounts.authenticate({ username: "alice", password: candidates[won]! }, ADDRESS);
    await refusal(world.accounts.authenticate({ username: "alice", password: candidates[1 - won]! }, ADDRESS));
  });
});
