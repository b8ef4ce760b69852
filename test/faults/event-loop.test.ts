import { expect, it } from "vitest";
import type { Store } from "../../src/store/store.ts";
import { longestTurnOf } from "../support/event-loop.ts";
import { report, times } from "../support/long-run.ts";
import { DAY, NOW, newUser } from "../support/records.ts";
import { crowdedStore } from "../support/sqlite-crowd.ts";

const SIZE = times({ short: 100_000, long: 1_000_000 });
/** Of so many sessions, one is one of three persons', who have a third of these each. */
const SHARE = 4;
const MOST_NS = 20_000_000;
/** A garbage collection may fall into a turn, and a busy machine's caches are cold: what an act itself costs, it costs each time. */
const ROUNDS = 3;

/** In an order in which each still finds what it is about. */
const acts: Readonly<Record<string, (store: Store, round: number) => unknown>> = {
  "a counting": (store) => store.count(NOW),
  "a check": (store) => store.check(),
  "a page of users": (store) => store.listUsers("person-5", 100),
  "a look for an administrator": (store) => store.hasAdmin(),
  "the newest sessions": (store) => store.listLiveSessions(NOW, 100),
  "a person's sessions": (store, round) => store.listSessions(`crowd-${round}`, NOW),
  "a page of revocations": (store) => store.listRevocations(0, NOW, 100),
  "an import of 1,000 users": (store) => store.importUsers(Array.from({ length: 1000 }, () => newUser())),
  "ending 100 sessions of everybody's": (store) =>
    store.revokeEverySession({ at: NOW, reason: "administrator", afterId: null, limit: 100, alsoLogged: null }),
  "ending all of a person's sessions": (store, round) =>
    store.revokeSubjectSessions(`crowd-${round}`, { at: NOW, reason: "logout_all" }),
  "a sweep": (store) => store.sweep({ endedBy: NOW - 31 * DAY, revokedBy: NOW, limit: 1000 }),
};

it("no act on a large SQLite database holds the event loop for more than 20 ms of processor time, or three idle probes", async () => {
  const { store } = await crowdedStore({
    size: SIZE,
    sessions: { subject: `iif(n % ${SHARE}, 'person-' || n, 'crowd-' || (n / ${SHARE} % ${ROUNDS}))` },
  });
  await store.listUsers("", 1);
  const started = performance.now();
  const shortest: Record<string, number> = {};
  for (let round = 0; round < ROUNDS; round++) {
    const all: typeof acts = { "an idle probe": ({ findUser }) => findUser("nobody"), ...acts };
    for (const [name, act] of Object.entries(all)) {
      const found = await longestTurnOf(() => act(store, round));
      shortest[name] = Math.min(found, shortest[name] ?? Number.POSITIVE_INFINITY);
    }
  }
  const most = Math.max(MOST_NS, 3 * shortest["an idle probe"]!);
  report({
    run: "processor time of the event loop's longest turn, SQLite",
    count: SIZE,
    seconds: (performance.now() - started) / 1000,
    found: Object.fromEntries(Object.entries(shortest).map(([name, ns]) => [`µs ${name}`, Math.round(ns / 1000)])),
  });
  expect(Object.entries(shortest).filter(([, ns]) => ns > most)).toEqual([]);
});
