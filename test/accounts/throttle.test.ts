import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createThrottle, type Recognition, type Throttle, type ThrottleOptions } from "../../src/accounts/throttle.ts";

const clock = { now: () => Date.now() };
const MINUTE = 60_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: 10_000 * MINUTE });
});
afterEach(() => {
  vi.useRealTimers();
});

function throttleWith(options: Omit<ThrottleOptions, "clock" | "counts"> = {}): Throttle {
  return createThrottle({ clock, ...options });
}

/** Fails `times` logins one after another and says how many were let through. */
async function failLogins(
  throttle: Throttle,
  times: number,
  account: (index: number) => string,
  address: (index: number) => string | null,
): Promise<number> {
  let through = 0;
  for (let index = 0; index < times; index++) {
    const refused = await throttle.beforeLogin(account(index), address(index)).then(
      () => false,
      () => true,
    );
    if (!refused) through++;
  }
  return through;
}

const always = (text: string) => () => text;

const deviceOf = (device: string): Recognition => ({ device, hasSessionHere: async () => false });

describe("options", () => {
  it.each<keyof Omit<ThrottleOptions, "clock" | "counts">>([
    "failuresPerAccountAndAddressPer15Minutes",
    "failuresPerAddressPer15Minutes",
    "failuresPerAccountPerHour",
    "invalidRefreshTokensPerMinute",
    "maxKeys",
  ])("%s of 0, a fraction or no number is refused by name", (name) => {
    for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => throttleWith({ [name]: value })).toThrow(TypeError);
      expect(() => throttleWith({ [name]: value })).toThrow(`Option '${name}'`);
    }
  });

  it.each<keyof Omit<ThrottleOptions, "clock" | "counts">>(["registrationsPerHour", "sessionRefreshesPerMinute"])(
    "%s may be 0 and may not be negative",
    (name) => {
      expect(() => throttleWith({ [name]: 0 })).not.toThrow();
      expect(() => throttleWith({ [name]: -1 })).toThrow(`Option '${name}'`);
    },
  );
});

describe("login", () => {
  it("by default 10 failures of one account from one address within 15 minutes, and then 429 until they are over", async () => {
    const throttle = throttleWith();
    expect(await failLogins(throttle, 30, always("alice"), always("192.0.2.1"))).toBe(10);
    vi.advanceTimersByTime(5 * MINUTE);
    await expect(throttle.beforeLogin("alice", "192.0.2.1")).rejects.toMatchObject({
      code: "too_many_requests",
      status: 429,
      retryAfterSeconds: 600,
    });
    vi.advanceTimersByTime(10 * MINUTE - 1);
    await expect(throttle.beforeLogin("alice", "192.0.2.1")).rejects.toMatchObject({ retryAfterSeconds: 1 });
    vi.advanceTimersByTime(1);
    await expect(throttle.beforeLogin("alice", "192.0.2.1")).resolves.toBeDefined();
  });

  it("trying while refused does not prolong the refusal", async () => {
    const throttle = throttleWith();
    await failLogins(throttle, 10, always("alice"), always("192.0.2.1"));
    vi.advanceTimersByTime(14 * MINUTE);
    expect(await failLogins(throttle, 100, always("alice"), always("192.0.2.1"))).toBe(0);
    vi.advanceTimersByTime(MINUTE);
    expect(await failLogins(throttle, 30, always("alice"), always("192.0.2.1"))).toBe(10);
  });

  it("by default 100 failures from one address within 15 minutes, of whatever accounts", async () => {
    const throttle = throttleWith();
    expect(await failLogins(throttle, 130, (index) => `user-${index}`, always("192.0.2.1"))).toBe(100);
    await expect(throttle.beforeLogin("somebody", "192.0.2.2")).resolves.toBeDefined();
  });

  it("by default 100 failures of one account within an hour, from wherever", async () => {
    const throttle = throttleWith();
    const addresses = (index: number) => `198.51.${index % 100}.${index % 7}`;
    expect(await failLogins(throttle, 130, always("alice"), addresses)).toBe(100);
    await expect(throttle.beforeLogin("bob", "198.51.1.1")).resolves.toBeDefined();
    vi.advanceTimersByTime(59 * MINUTE);
    await expect(throttle.beforeLogin("alice", "203.0.113.9")).rejects.toMatchObject({ retryAfterSeconds: 60 });
    vi.advanceTimersByTime(MINUTE);
    await expect(throttle.beforeLogin("alice", "203.0.113.9")).resolves.toBeDefined();
  });

  it("all addresses of an IPv6 /64 share one limit, and all of a /48 three times as much", async () => {
    const throttle = throttleWith();
    const users = (index: number) => `user-${index}`;
    expect(await failLogins(throttle, 130, users, (index) => `2001:db8:1:2::${index.toString(16)}`)).toBe(100);
    expect(await failLogins(throttle, 300, users, (index) => `2001:db8:1:${(index + 3).toString(16)}::1`)).toBe(200);
    await expect(throttle.beforeLogin("somebody", "2001:db8:2::1")).resolves.toBeDefined();
  });

  it("an IPv4-mapped IPv6 address shares the limit of the IPv4 address", async () => {
    const throttle = throttleWith();
    const spellings = ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"];
    expect(await failLogins(throttle, 30, always("alice"), (index) => spellings[index % 3]!)).toBe(10);
  });

  it("addresses that are not known share no limit: only the account's own holds", async () => {
    const throttle = throttleWith({ registrationsPerHour: 1, invalidRefreshTokensPerMinute: 1 });
    const unknown = [null, "not an address", ""];
    expect(
      await failLogins(
        throttle,
        130,
        (index) => `user-${index}`,
        (index) => unknown[index % 3]!,
      ),
    ).toBe(130);
    expect(await failLogins(throttle, 130, always("alice"), () => null)).toBe(100);
    for (let nth = 0; nth < 5; nth++) {
      await throttle.countRegistration(null);
      throttle.countInvalidRefresh(null);
      throttle.refuseGuessing(null);
    }
  });

  it("an account's successes are limited by the account alone, from wherever they come", async () => {
    const throttle = throttleWith({ loginsPerHour: 5 });
    const signIn = async (account: string, address: string | null) =>
      (await throttle.beforeLogin(account, address)).succeeded();
    for (let nth = 0; nth < 5; nth++) await signIn("alice", `192.0.2.${nth}`);
    await expect(throttle.beforeLogin("alice", "198.51.100.1")).rejects.toMatchObject({ code: "too_many_requests" });
    await expect(throttle.beforeLogin("alice", null, deviceOf("x"))).rejects.toMatchObject({
      code: "too_many_requests",
    });
    for (let nth = 0; nth < 5; nth++) await signIn("bob", "192.0.2.1");
  });

  it("of an account's failures none is counted as a success, and of 20 successes at once as many as the limit allows", async () => {
    const throttle = throttleWith({ loginsPerHour: 5 });
    for (let nth = 0; nth < 9; nth++) await throttle.beforeLogin("alice", `192.0.2.${nth}`);
    const attempts = await Promise.all(
      Array.from({ length: 20 }, (_, nth) => throttle.beforeLogin("alice", `198.51.100.${nth}`)),
    );
    const settled = await Promise.allSettled(attempts.map((attempt) => attempt.succeeded()));
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(5);
  });

  it("a recognised device has a limit of its own, and all of an account's devices one together", async () => {
    const throttle = throttleWith({ failuresPerAccountPerHour: 25 });
    let through = 0;
    for (let nth = 0; nth < 60; nth++) {
      const attempt = throttle.beforeLogin("alice", "192.0.2.1", deviceOf(`device ${nth % 6}`));
      through += await attempt.then(
        () => 1,
        () => 0,
      );
    }
    expect(through).toBe(25);
    await expect(throttle.beforeLogin("bob", "192.0.2.1", deviceOf("device 1"))).resolves.toBeDefined();
    await expect(throttle.beforeLogin("alice", "192.0.2.1")).resolves.toBeDefined();
  });

  it("a password proved inside a session counts against that session and nothing else", async () => {
    const throttle = throttleWith();
    await failLogins(throttle, 120, always("alice"), (index) => `100.64.0.${index}`);
    for (let nth = 0; nth < 10; nth++) await throttle.beforeReauthentication("session");
    await expect(throttle.beforeReauthentication("session")).rejects.toMatchObject({ code: "too_many_requests" });
    await expect(throttle.beforeReauthentication("another")).resolves.toBeDefined();
  });

  it("a limit that is lifted refuses no longer, and no other limit is touched", async () => {
    const throttle = throttleWith();
    const refused = (account: string, address: string) =>
      throttle.beforeLogin(account, address).then(
        () => false,
        () => true,
      );
    await failLogins(throttle, 20, always("alice"), () => "192.0.2.1");
    await failLogins(throttle, 20, always("bob"), () => "192.0.2.1");
    expect(await throttle.lift({ account: "alice" })).toBe(2);
    expect([await refused("alice", "192.0.2.1"), await refused("bob", "192.0.2.1")]).toEqual([false, true]);
    await failLogins(
      throttle,
      120,
      (index) => `user-${index}`,
      () => "192.0.2.9",
    );
    expect(await refused("carol", "192.0.2.9")).toBe(true);
    expect(await throttle.lift({ address: "192.0.2.9" })).toBe(1);
    expect(await refused("carol", "192.0.2.9")).toBe(false);
    expect(await throttle.lift("all")).toBeGreaterThan(0);
    expect(await refused("bob", "192.0.2.1")).toBe(false);
  });

  it("of 200 parallel guesses exactly as many get through as the limit allows", async () => {
    const throttle = throttleWith();
    const guesses = await Promise.allSettled(
      Array.from({ length: 200 }, () => throttle.beforeLogin("alice", "192.0.2.1")),
    );
    expect(guesses.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
  });

  it("of 400 parallel guesses from 100 addresses no more get through than the account's limit allows", async () => {
    const throttle = throttleWith();
    const guesses = await Promise.allSettled(
      Array.from({ length: 400 }, (_, index) => throttle.beforeLogin("alice", `192.0.2.${index % 100}`)),
    );
    expect(guesses.filter(({ status }) => status === "fulfilled")).toHaveLength(100);
  });

  it("only failures count for an address: it may succeed without end, in parallel too", async () => {
    const throttle = throttleWith({ loginsPerHour: 0 });
    for (let index = 0; index < 300; index++) {
      await (await throttle.beforeLogin(`user-${index % 3}`, "192.0.2.1")).succeeded();
    }
    for (let round = 0; round < 30; round++) {
      const attempts = await Promise.all(
        Array.from({ length: 10 }, (_, index) => throttle.beforeLogin(`user-${index}`, "192.0.2.1")),
      );
      await Promise.all(attempts.map((attempt) => attempt.succeeded()));
    }
    expect(await failLogins(throttle, 130, (index) => `user-${index}`, always("192.0.2.1"))).toBe(100);
  });

  it("a success forgets the account's failures from that address, and no other failures", async () => {
    const throttle = throttleWith({ failuresPerAccountPerHour: 25 });
    await failLogins(throttle, 9, always("alice"), always("192.0.2.1"));
    await failLogins(throttle, 9, always("alice"), always("192.0.2.2"));
    await (await throttle.beforeLogin("alice", "192.0.2.1")).succeeded();
    expect(await failLogins(throttle, 5, always("alice"), always("192.0.2.2"))).toBe(1);
    expect(await failLogins(throttle, 30, always("alice"), always("192.0.2.1"))).toBe(25 - 9 - 9 - 1);
  });

  it("an attempt that is withdrawn counts nowhere", async () => {
    const throttle = throttleWith({ failuresPerAccountPerHour: 10, failuresPerAddressPer15Minutes: 10 });
    for (let index = 0; index < 50; index++) await (await throttle.beforeLogin("alice", "2001:db8::1")).withdrawn();
    expect(await failLogins(throttle, 30, always("alice"), always("2001:db8::1"))).toBe(10);
  });

  it("of a burst, the attempts that were refused count no more than those that were withdrawn", async () => {
    const throttle = throttleWith();
    const burst = Array.from({ length: 200 }, () => throttle.beforeLogin("alice", "192.0.2.1"));
    const through = (await Promise.allSettled(burst)).filter((attempt) => attempt.status === "fulfilled");
    await Promise.all(through.map(({ value }) => value.withdrawn()));
    expect(await failLogins(throttle, 30, always("alice"), always("192.0.2.1"))).toBe(10);
  });

  it("attempts that one limit refuses are not counted by the others", async () => {
    const throttle = throttleWith({ failuresPerAddressPer15Minutes: 20 });
    expect(await failLogins(throttle, 100, always("alice"), always("192.0.2.1"))).toBe(10);
    await Promise.allSettled(Array.from({ length: 100 }, () => throttle.beforeLogin("alice", "192.0.2.1")));
    expect(await failLogins(throttle, 30, (index) => `user-${index}`, always("192.0.2.1"))).toBe(10);
  });

  it("an attempt given back after its window does not become one too many in the next", async () => {
    const throttle = throttleWith({ failuresPerAddressPer15Minutes: 5 });
    const late = await throttle.beforeLogin("alice", "192.0.2.1");
    vi.advanceTimersByTime(16 * MINUTE);
    await late.withdrawn();
    expect(await failLogins(throttle, 30, (index) => `user-${index}`, always("192.0.2.1"))).toBe(5);
  });

  it("the longest wait of all limits is what Retry-After says, and the answer names no limit", async () => {
    const throttle = throttleWith({ failuresPerAccountPerHour: 10 });
    await failLogins(throttle, 10, always("alice"), always("192.0.2.1"));
    await failLogins(throttle, 10, always("bob"), always("192.0.2.1"));
    const [alice, bob] = await Promise.all(
      ["alice", "bob"].map((account) => throttle.beforeLogin(account, "192.0.2.1").catch((error: Error) => error)),
    );
    expect(alice).toMatchObject({ retryAfterSeconds: 3600, detail: undefined });
    expect(JSON.stringify(alice)).toBe(JSON.stringify(bob));
  });

  it("above the greatest number of keys the one tried longest ago is forgotten, one under attack never is", async () => {
    const throttle = throttleWith({ maxKeys: 50 });
    expect(await failLogins(throttle, 100, always("forgotten"), always("192.0.2.1"))).toBe(10);
    let through = 0;
    for (let round = 0; round < 200; round++) {
      through += await failLogins(throttle, 1, always("attacked"), always("192.0.2.2"));
      await failLogins(throttle, 1, always(`invented-${round}`), always(`198.51.100.${round}`));
    }
    expect(through).toBe(10);
    expect(await failLogins(throttle, 1, always("forgotten"), always("192.0.2.1"))).toBe(1);
  });

  it("refused attempts bring in no keys at the cost of others", async () => {
    const throttle = throttleWith({ maxKeys: 21, failuresPerAddressPer15Minutes: 20 });
    expect(await failLogins(throttle, 10, always("alice"), always("192.0.2.1"))).toBe(10);
    expect(await failLogins(throttle, 200, (index) => `invented-${index}`, always("192.0.2.2"))).toBe(20);
    expect(await failLogins(throttle, 10, always("alice"), always("192.0.2.1"))).toBe(0);
  });
});

describe("registration", () => {
  it("by default 60 an hour from one address, IPv6 by /64 and three times as many by /48", async () => {
    const throttle = throttleWith();
    const register = (count: number, address: (index: number) => string) =>
      Promise.allSettled(Array.from({ length: count }, (_, index) => throttle.countRegistration(address(index)))).then(
        (results) => results.filter(({ status }) => status === "fulfilled").length,
      );
    expect(await register(100, always("192.0.2.1"))).toBe(60);
    expect(await register(100, (index) => `2001:db8:1:1::${index}`)).toBe(60);
    expect(await register(200, (index) => `2001:db8:1:${index + 100}::1`)).toBe(120);
    await expect(throttle.countRegistration("192.0.2.1")).rejects.toMatchObject({
      code: "too_many_requests",
      retryAfterSeconds: 3600,
    });
    vi.advanceTimersByTime(60 * MINUTE);
    expect(await register(100, always("192.0.2.1"))).toBe(60);
  });

  it("0 is no limit", async () => {
    const throttle = throttleWith({ registrationsPerHour: 0 });
    for (let index = 0; index < 200; index++) await throttle.countRegistration("192.0.2.1");
  });
});

describe("refresh", () => {
  it("by default an address may send 60 invalid refresh tokens a minute", () => {
    const throttle = throttleWith();
    for (let index = 0; index < 60; index++) {
      throttle.refuseGuessing("192.0.2.1");
      throttle.countInvalidRefresh("192.0.2.1");
    }
    vi.advanceTimersByTime(MINUTE / 2);
    expect(() => throttle.refuseGuessing("::ffff:192.0.2.1")).toThrow(
      expect.objectContaining({ code: "too_many_requests", retryAfterSeconds: 30 }),
    );
    expect(() => throttle.refuseGuessing("192.0.2.2")).not.toThrow();
    vi.advanceTimersByTime(MINUTE / 2);
    expect(() => throttle.refuseGuessing("192.0.2.1")).not.toThrow();
  });

  it("an IPv6 /48 may send three times as many as a /64", () => {
    const throttle = throttleWith({ invalidRefreshTokensPerMinute: 10 });
    const address = (index: number) => `2001:db8:1:${index}::1`;
    for (let index = 0; index < 30; index++) throttle.countInvalidRefresh(address(index % 4));
    expect(() => throttle.refuseGuessing(address(9))).toThrow(expect.objectContaining({ code: "too_many_requests" }));
    expect(() => throttle.refuseGuessing("2001:db8:2::1")).not.toThrow();
  });

  it("by default a session may refresh 120 times a minute, and others are not affected", () => {
    const throttle = throttleWith();
    for (let index = 0; index < 120; index++) {
      throttle.refuseRefresh("session-1");
      throttle.countRefresh("session-1");
    }
    expect(() => throttle.refuseRefresh("session-1")).toThrow(
      expect.objectContaining({ code: "too_many_requests", retryAfterSeconds: 60 }),
    );
    expect(() => throttle.refuseRefresh("session-2")).not.toThrow();
    vi.advanceTimersByTime(MINUTE);
    expect(() => throttle.refuseRefresh("session-1")).not.toThrow();
  });

  it("a clock that was set back begins a new minute", () => {
    const throttle = throttleWith({ sessionRefreshesPerMinute: 1 });
    throttle.countRefresh("session-1");
    expect(() => throttle.refuseRefresh("session-1")).toThrow();
    vi.setSystemTime(Date.now() - 60 * MINUTE);
    expect(() => throttle.refuseRefresh("session-1")).not.toThrow();
  });

  it("0 is no limit", () => {
    const throttle = throttleWith({ sessionRefreshesPerMinute: 0 });
    for (let index = 0; index < 1000; index++) {
      throttle.refuseRefresh("session-1");
      throttle.countRefresh("session-1");
    }
  });

  it("with more sessions than are kept count of, counting begins again and still limits", () => {
    const throttle = throttleWith({ sessionRefreshesPerMinute: 2, maxKeys: 10 });
    throttle.countRefresh("session-0");
    throttle.countRefresh("session-0");
    for (let index = 1; index < 10; index++) throttle.countRefresh(`session-${index}`);
    expect(() => throttle.refuseRefresh("session-0")).toThrow(expect.objectContaining({ code: "too_many_requests" }));
    throttle.countRefresh("session-10");
    expect(() => throttle.refuseRefresh("session-0")).not.toThrow();
    throttle.countRefresh("session-0");
    throttle.countRefresh("session-0");
    expect(() => throttle.refuseRefresh("session-0")).toThrow(expect.objectContaining({ code: "too_many_requests" }));
  });
});
