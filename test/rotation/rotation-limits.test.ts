import { describe, expect, it } from "vitest";
import { type CookieJarOptions, cookieJar } from "./cookie-jar.ts";
import { realProtocol, type Server } from "./database.ts";
import { rotationPage } from "./documentation.ts";
import { COUNTED, ownerAndThief } from "./owner-and-thief.ts";
import { holderIsNeverLoggedOut, jarIsNeverLoggedOut, nobodyShadowsFor } from "./properties.ts";
import { type SingleHolderOptions, singleHolder } from "./single-holder.ts";
import { type Property, story, type Violation, type World, type WorldState, walk } from "./walk.ts";

describe("a single holder is logged out, as docs/rotation.md tells,", () => {
  const alternating = { restores: "any state ever seen" } as const;

  it.each([false, true])(
    "by the fourth restore that alternates between histories, and by no fewer; it also reauthenticates: %s",
    (reauthenticates) => {
      const attempt = (restoreLimit: number) =>
        logout({ ...alternating, restoreLimit, siblingLimit: 3, reauthenticates });
      expect([0, 1, 2, 3].map(attempt)).toEqual([undefined, undefined, undefined, undefined]);
      expect(restoresIn(documented(attempt(4)))).toBe(4);
    },
  );

  const quiet = { restores: "earlier states of this history", restoreLimit: 0, siblingLimit: 4 } as const;

  it("by an abandoned request that reaches the server after the successor was used", () => {
    const trace = documented(logout({ ...quiet, abandonedRequests: "arrive at any time" }));
    expect(trace.at(-1)).toContain("the abandoned request presents 1: reuse");
  });

  it("by a lost response under strict rotation", () => {
    const strict = singleHolder(serverWith(0), { ...alternating, restoreLimit: 0, siblingLimit: 1 });
    expect(documented(firstViolation(strict, holderIsNeverLoggedOut))).toHaveLength(2);
  });

  const logout = (options: SingleHolderOptions) =>
    firstViolation(singleHolder(serverWith(2), options), holderIsNeverLoggedOut);
});

describe("a cookie jar is logged out, as docs/rotation.md tells, and by no shorter delays", () => {
  const lives = [2, 3, 4, 5, 6, 7, 8, 9];

  it.each(lives)(
    "by delays of half the access token's life, where the jar sees that it has expired: %i",
    (accessLife) => {
      const options = { refreshes: "expired when sent", accessLife } as const;
      expect(shortestDelay(options)).toBe(Math.ceil(accessLife / 2));
    },
  );

  it.each(lives)("by delays of a third of it, where it may expire on the way to the server: %i", (accessLife) => {
    const options = { refreshes: "expired on arrival", accessLife } as const;
    expect(shortestDelay(options)).toBe(Math.ceil(accessLife / 3));
  });

  it.each(lives)("by delays of half of it, if only the responses take time: %i", (accessLife) => {
    const options = { refreshes: "expired on arrival", accessLife } as const;
    expect(shortestDelay({ ...options, requestsArriveAtOnce: true })).toBe(Math.ceil(accessLife / 2));
  });

  it.each([2, 3, 4])("by no shorter ones where tabs reauthenticate in between: %i", (accessLife) => {
    const options = { accessLife, reauthenticates: true, parallel: 2 } as const;
    expect(shortestDelay({ ...options, refreshes: "expired when sent" })).toBe(Math.ceil(accessLife / 2));
    expect(shortestDelay({ ...options, refreshes: "expired on arrival" })).toBe(Math.ceil(accessLife / 3));
  });

  it("in the two ways that are told step by step", () => {
    documented(logout({ refreshes: "expired when sent", accessLife: 4 }, 2));
    documented(logout({ refreshes: "expired on arrival", accessLife: 6 }, 2));
  });

  it("by two parallel refreshes under strict rotation", () => {
    const options = { accessLife: 1, parallel: 2, refreshes: "expired when sent", lostAfter: "the burst" } as const;
    const trace = documented(firstViolation(cookieJar(serverWith(0), options), jarIsNeverLoggedOut));
    expect(trace.filter((step) => step.includes("presents 1"))).toHaveLength(2);
  });

  const logout = (
    options: Omit<CookieJarOptions, "parallel" | "lostAfter"> & { parallel?: number },
    lostAfter: number,
  ) => firstViolation(cookieJar(serverWith(1), { parallel: 3, ...options, lostAfter }), jarIsNeverLoggedOut);

  const shortestDelay = (options: Parameters<typeof logout>[0]) => {
    for (let delay = 1; delay <= options.accessLife; delay++) if (logout(options, delay) !== undefined) return delay;
    return undefined;
  };
});

describe("a thief stays, as docs/rotation.md tells,", () => {
  it("who follows the owner's every refresh within the grace window", () => {
    const world = ownerAndThief(serverWith(1), { thieves: 1, refreshes: "at any time" });
    documented(firstViolation(world, nobodyShadowsFor(COUNTED)));
  });
});

function serverWith(rotationGraceSeconds: number): Server {
  return { protocol: realProtocol, policy: { rotationGraceSeconds, staleWithProof: "answer" } };
}

/** A shortest way to a violation; `undefined` where the walk closes without one. */
function firstViolation<S extends WorldState>(world: World<S>, property: Property<S>): Violation | undefined {
  const { violations, closed } = walk(world, [property]);
  expect(closed || violations.length > 0).toBe(true);
  return violations[0];
}

/** Expects a violation that docs/rotation.md tells word for word, and gives its steps. */
function documented(violation: Violation | undefined): readonly string[] {
  expect(violation).toBeDefined();
  expect(rotationPage()).toContain(story(violation!));
  return violation!.trace;
}

function restoresIn(trace: readonly string[]): number {
  return trace.filter((step) => step.startsWith("the database is restored")).length;
}
