import type { StoreCounts, StoreOperation } from "../../store/store-operation.ts";
import type { LatchkeyEvent } from "../events.ts";

/** Figures for people: what this process has done since it started, and what the store contains. */
export interface MetricsReading {
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  readonly store: StoreCounts;
  readonly sinceStart: {
    readonly loginsSucceeded: number;
    readonly loginsFailed: number;
    readonly refreshes: number;
    /** Refreshes by how the rotation was decided. */
    readonly refreshesByDecision: Readonly<
      Record<"advance" | "repeat" | "sibling" | "rolled_back" | "caught_up", number>
    >;
    readonly reuseDetected: number;
    readonly logouts: number;
    readonly sessionsRevoked: number;
    readonly passwordChanges: number;
  };
}

/** Counts events. */
export interface Metrics {
  count(event: LatchkeyEvent): void;
  read(): Promise<MetricsReading>;
}

/** Starts all counters at zero. */
export function createMetrics(store: Pick<StoreOperation, "count">, now: () => number): Metrics {
  const startedAt = now();
  const events = new Map<LatchkeyEvent["type"], number>();
  const decisions = { advance: 0, repeat: 0, sibling: 0, rolled_back: 0, caught_up: 0 };
  const counts = createSharedCounts(store);
  const seen = (type: LatchkeyEvent["type"]) => events.get(type) ?? 0;

  return {
    count(event) {
      events.set(event.type, seen(event.type) + 1);
      if (event.type === "session.refreshed") decisions[event.decision] += 1;
    },
    async read() {
      const at = now();
      return {
        startedAt: new Date(startedAt).toISOString(),
        uptimeSeconds: Math.max(0, Math.floor((at - startedAt) / 1000)),
        store: await counts(at),
        sinceStart: {
          loginsSucceeded: seen("login.succeeded"),
          loginsFailed: seen("login.failed"),
          refreshes: seen("session.refreshed"),
          refreshesByDecision: { ...decisions },
          reuseDetected: seen("refresh_token.reused"),
          logouts: seen("session.logged_out"),
          sessionsRevoked: seen("session.revoked") + seen("session.logged_out") + seen("refresh_token.reused"),
          passwordChanges: seen("user.password_changed"),
        },
      };
    },
  };
}

/** From this many rows on, counting takes so long that the count is cached. */
const LARGE_ROWS = 50_000;
const KEPT_MS = 10_000;

/** Counts once for all callers meanwhile; a slow count is cached for some seconds. */
function createSharedCounts(store: Pick<StoreOperation, "count">): (now: number) => Promise<StoreCounts> {
  let shared: Promise<StoreCounts> | undefined;
  const forget = () => {
    shared = undefined;
  };
  return (now) => {
    if (shared !== undefined) return shared;
    const counting = store.count(now);
    shared = counting;
    counting.then(({ users, liveSessions, revokedSessions }) => {
      if (users + liveSessions + revokedSessions < LARGE_ROWS) forget();
      else setTimeout(forget, KEPT_MS).unref();
    }, forget);
    return counting;
  };
}
