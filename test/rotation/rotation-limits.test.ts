import { describe, expect, it } from "vitest";
import { type CookieJarOptions, cookieJar } from "./cookie-jar.ts";
import { realProtocol, type Server } from "./database.ts";
import { rotationPage } from "./documentation.ts";
import { COUNTED, ownerAndThief } from "./owner-and-thief.ts";
import {
  caughtAtTheSecondRefresh,
  holderIsNeverLoggedOut,
  jarIsNeverLoggedOut,
  nobodyShadowsFor,
} from "./properties.ts";
import { type SingleHolderOptions, singleHolder } from "./single-holder.ts";
import { type Property, story, type Violation, type World, type WorldState, walk } from "./walk.ts";

describe("a single holder is logged out, as docs/rotation.md tells,", () => {
  const alternating = { restores: "any state ever seen" } as const;

  it.each([{}, { reauthentications: "at any time" }] as const)(
    "by the fourth restore that alternates between histories, and by no fewer: %o",
    (also) => {
      const attempt = (restoreLimit: number) => logout({ ...alternating, ...also, restoreLimit, siblingLimit: 3 });
      expect([0, 1, 2, 3].map(attempt)).toEqual([undefined, undefined, undefined, undefined]);
      expect(restoresIn(documented(attempt(4)))).toBe(4);
    },
  );

  const quiet = { restores: "earlier states of this history", restoreLimit: 0, siblingLimit: 4 } as const;

  it("by an abandoned request that reaches the server after the successor was used", () => {
    const trace = documented(logout({ ...quiet, abandonedRequests: "arrive at any time" }));
    expect(trace.at(-1)).toContain("the abandoned request presents 1: reuse");
  });

  it("by an abandoned refresh that reaches the server after a reauthentication", () => {
    const late = { ...quiet, abandonedRequests: "arrive before the successor is used" } as const;
    expect(logout({ ...late, reauthentications: "alone" })).toBeUndefined();
    documented(logout({ ...late, reauthentications: "at any time" }));
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
      const options = { reauthentications: "alone", refreshes: "expired when sent", accessLife } as const;
      expect(shortestDelay(options)).toBe(Math.ceil(accessLife / 2));
    },
  );

  it.each(lives)("by delays of a third of it, where it may expire on the way to the server: %i", (accessLife) => {
    const options = { reauthentications: "alone", refreshes: "expired on arrival", accessLife } as const;
    expect(shortestDelay(options)).toBe(Math.ceil(accessLife / 3));
  });

  it.each(lives)("by delays of half of it, if only the responses take time: %i", (accessLife) => {
    const options = { reauthentications: "alone", refreshes: "expired on arrival", accessLife } as const;
    expect(shortestDelay({ ...options, requestsArriveAtOnce: true })).toBe(Math.ceil(accessLife / 2));
  });

  it.each(lives)("by any delay at all, where a tab may reauthenticate while another refreshes: %i", (accessLife) => {
    const options = { reauthentications: "at any time", refreshes: "expired when sent", accessLife } as const;
    expect(shortestDelay({ ...options, parallel: 2 })).toBe(1);
  });

  it("in the three ways that are told step by step", () => {
    const options = { refreshes: "expired when sent", accessLife: 4 } as const;
    documented(logout(options, 2));
    documented(logout({ refreshes: "expired on arrival", accessLife: 6 }, 2));
    documented(logout({ ...options, reauthentications: "at any time", parallel: 2 }, 1));
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

  it("where the owner reauthenticates instead of coming back with a generation that has been replaced", () => {
    const reauthentication = "goes on counting";
    const options = { thieves: 1, refreshes: "more than a grace window apart", reauthentication } as const;
    documented(firstViolation(ownerAndThief(serverWith(1), options), caughtAtTheSecondRefresh));
  });
});

function serverWith(rotationGraceSeconds: number): Server {
  return { protocol: realProtocol, policy: { rotationGraceSeconds } };
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
