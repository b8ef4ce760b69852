import { setTimeout } from "node:timers/promises";
import { jittered, pauseAfter } from "../../../backoff.ts";
import type { Random } from "../../../environment.ts";

/** What the schema's triggers notify. Notifications carry nothing: a listener that hears one reads the log. */
export const REVOCATION_CHANNEL = "latchkey_revocations";

const BACKOFF = { firstMs: 250, longestMs: 30_000 };
/** How often a connection is asked whether it still is one; a network may drop it without a word. */
const HEARTBEAT_MS = 15_000;

/** As much of a client of `pg` as is used. */
export interface ListeningClient {
  connect(): Promise<unknown>;
  query(sql: string): Promise<unknown>;
  end(): Promise<void>;
  on(event: "notification" | "error" | "end", listener: () => void): unknown;
}

/** Hears what other processes notify. */
export interface RevocationListener {
  /** Connects at the first call. Calls `listener` at a notification, and whenever it has reconnected. Returns the way out. */
  subscribe(listener: () => void): () => void;
  close(): Promise<void>;
}

/**
 * Listens on a connection of its own, since a listener must keep it: through PgBouncer in transaction mode it hears nothing.
 * A lost connection is opened again, after a pause that grows to 30 seconds and is jittered; what was notified
 * meanwhile is not lost to a caller that reads the log when it is called.
 */
export function createRevocationListener(connect: () => Promise<ListeningClient>, random: Random): RevocationListener {
  const listeners = new Set<() => void>();
  const closing = new AbortController();
  let running: Promise<void> | undefined;

  function tell(): void {
    for (const listener of listeners) listener();
  }

  async function run(): Promise<void> {
    let failures = 0;
    while (!closing.signal.aborted) {
      await listen(() => {
        failures = 0;
      }).catch(() => {});
      failures += 1;
      const pauseMs = jittered(pauseAfter(failures, BACKOFF), random);
      await setTimeout(pauseMs, undefined, { signal: closing.signal, ref: false }).catch(() => {});
    }
  }

  /** Rejects when the connection is over, or where there was none. `heard` is called once it listens. */
  async function listen(heard: () => void): Promise<never> {
    const client = await connect();
    const over = new AbortController();
    const end = () => over.abort();
    const isOver = new Promise<never>((_, reject) => {
      over.signal.addEventListener("abort", () => reject(new Error("The connection is over.")), { once: true });
    });
    client.on("error", end);
    client.on("end", end);
    client.on("notification", tell);
    closing.signal.addEventListener("abort", end, { once: true });
    try {
      await Promise.race([client.connect(), isOver]);
      await Promise.race([client.query(`LISTEN ${REVOCATION_CHANNEL}`), isOver]);
      heard();
      tell();
      for (;;) {
        await setTimeout(HEARTBEAT_MS, undefined, { signal: over.signal, ref: false });
        await Promise.race([client.query("SELECT 1"), isOver]);
      }
    } finally {
      closing.signal.removeEventListener("abort", end);
      // Do not wait for a connection whose other end may be gone.
      client.end().catch(() => {});
    }
  }

  return {
    subscribe(listener) {
      listeners.add(listener);
      if (!closing.signal.aborted) running ??= run();
      return () => listeners.delete(listener);
    },
    async close() {
      closing.abort();
      await running;
    },
  };
}
