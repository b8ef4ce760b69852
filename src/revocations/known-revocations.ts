import { type AnyAccessTokenClaims, isCovered } from "../access-token/claims.ts";
import { pause } from "../in-slices.ts";
import type { RevocationEntry } from "../records/revocation.ts";
import type { AccessLifetimes } from "../signing/access-lifetimes.ts";
import type { RevocationLog as StoredRevocations } from "../store/revocation-log.ts";

const PAGE = 1000;
/** Forgotten at once: some milliseconds' work. */
const MOST_FORGOTTEN = 10_000;

/** The sessions whose access tokens this process refuses, in memory, each for as long as such a token can live. */
export interface Revocations {
  /**
   * Whether what the access token belongs to has been revoked: its session, its client, or every session. No input or
   * output.
   */
  covers(claims: Pick<AnyAccessTokenClaims, "jti" | "sid" | "iat">): boolean;
  /** Takes in what this process has just revoked, at once; subscribers are notified as soon as the log is read. */
  add(sessionIds: readonly string[], at: number): void;
  /** Reads what has been revoked since the last call, by other processes too. Calls that wait together share one read. */
  poll(): Promise<void>;
  readonly size: number;
  readonly log: RevocationLog;
}

/**
 * The same in the order in which it was committed, as it was last read from the store. No input or output. What a
 * database has forgotten, by a failover or a restored backup, is no longer in here; this process still refuses it.
 */
export interface RevocationLog {
  /** At most `limit` of the entries after `sequence` that still matter, oldest first. */
  after(sequence: number, limit: number): readonly RevocationEntry[];
  /** The newest entry's number; 0 where there has been none. */
  readonly newestSequence: number;
  /** How often the log was found to be another one than before. Numbers from before the last time say nothing about this one. */
  readonly beginnings: number;
  /** Whether this process has revoked something since the log was last read. */
  readonly isBehind: boolean;
  /** When the log was last read to its end, in milliseconds since the Unix epoch. */
  readonly readAt: number;
  /** Until when an entry matters, in milliseconds since the Unix epoch. */
  forgottenAt(entry: RevocationEntry): number;
  /**
   * Calls `listener` whenever the log has been read to its end, with or without new entries. Returns a function that
   * unsubscribes.
   */
  subscribe(listener: () => void): () => void;
}

/**
 * Reads the log of revocations back as far as an access token can live, so that a restart forgets nothing.
 * @param lifetimes how long a revocation matters. They are read after every page of the log: a process that has signed a token of a session
 *   that is in it had kept its life in the store by then.
 */
export async function loadRevocations(
  store: Pick<StoredRevocations, "listRevocations">,
  now: () => number,
  lifetimes: Pick<AccessLifetimes, "rememberMs" | "read">,
): Promise<Revocations> {
  // In order of insertion, so the oldest come first and forgetting stops at the first that still matters.
  const revokedAt = new Map<string, number>();
  const listeners = new Set<() => void>();
  let entries: RevocationEntry[] = [];
  /** The last entry read. It is read again with what follows it, which shows that the log is still the same. */
  let newest: RevocationEntry | undefined;
  let beginnings = 0;
  let readAt = Number.NEGATIVE_INFINITY;
  let isBehind = false;
  let lastRead: Promise<unknown> = Promise.resolve();
  let waitingRead: Promise<void> | undefined;

  function forget(): void {
    const horizon = now() - lifetimes.rememberMs();
    let forgotten = 0;
    for (const [sessionId, at] of revokedAt) {
      // What is left over, the next reading forgets.
      if (at >= horizon || forgotten === MOST_FORGOTTEN) break;
      revokedAt.delete(sessionId);
      forgotten += 1;
    }
    const kept = entries.findIndex(({ at }) => at >= horizon);
    entries.splice(0, kept === -1 ? entries.length : kept);
  }

  async function read(): Promise<void> {
    const startedAt = now();
    const wasBehind = isBehind;
    isBehind = false;
    try {
      await readOn(startedAt - lifetimes.rememberMs());
    } catch (error) {
      isBehind ||= wasBehind;
      throw error;
    }
    readAt = startedAt;
    forget();
    for (const listener of listeners) listener();
  }

  async function readOn(since: number): Promise<void> {
    let page: readonly RevocationEntry[];
    for (;;) {
      page =
        newest === undefined
          ? await store.listRevocations(0, since, PAGE)
          : await store.listRevocations(newest.sequence - 1, Math.min(since, newest.at), PAGE);
      if (newest !== undefined && !isSame(page[0], newest)) {
        await beginAgain(since);
        return;
      }
      const added = newest === undefined ? page : page.slice(1);
      if (added.length > 0) await lifetimes.read();
      take(added);
      if (page.length < PAGE) return;
      await pause();
    }
  }

  /**
   * Reads the whole log again, since the last entry read is not there any more. Either it was swept, and all before it too; or
   * the database has gone back, and its new entries may have numbers that this process has passed already.
   */
  async function beginAgain(since: number): Promise<void> {
    const reread: RevocationEntry[] = [];
    let page: readonly RevocationEntry[];
    do {
      page = await store.listRevocations(reread.at(-1)?.sequence ?? 0, since, PAGE);
      reread.push(...page);
      await pause();
    } while (page.length === PAGE);
    await lifetimes.read();
    const found = new Map(reread.map((entry) => [entry.sequence, entry]));
    if (entries.some((entry) => entry.at >= since && !isSame(found.get(entry.sequence), entry))) beginnings += 1;
    entries = [];
    newest = undefined;
    take(reread);
  }

  function take(page: readonly RevocationEntry[]): void {
    for (const { sessionId, at } of page) revokedAt.set(sessionId, at);
    entries.push(...page);
    newest = page.at(-1) ?? newest;
  }

  // One read at a time, or an entry would be taken in twice; and one that begins after the call, so that it sees what
  // has been committed before.
  function poll(): Promise<void> {
    waitingRead ??= lastRead.then(() => {
      waitingRead = undefined;
      const reading = read();
      lastRead = reading.catch(() => {});
      return reading;
    });
    return waitingRead;
  }

  /** The position of the first entry after `sequence`. */
  function indexAfter(sequence: number): number {
    let [low, high] = [0, entries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (entries[middle]!.sequence <= sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  await poll();
  return {
    covers: (claims) => isCovered(claims, (id) => revokedAt.get(id)),
    add(sessionIds, at) {
      for (const sessionId of sessionIds) revokedAt.set(sessionId, at);
      isBehind ||= sessionIds.length > 0;
      // Should it fail, the next poll makes up for it.
      if (sessionIds.length > 0 && listeners.size > 0) poll().catch(() => {});
    },
    poll,
    get size() {
      return revokedAt.size;
    },
    log: {
      after(sequence, limit) {
        const start = indexAfter(sequence);
        return entries.slice(start, start + limit);
      },
      get newestSequence() {
        return newest?.sequence ?? 0;
      },
      get beginnings() {
        return beginnings;
      },
      get isBehind() {
        return isBehind;
      },
      get readAt() {
        return readAt;
      },
      forgottenAt: ({ at }) => at + lifetimes.rememberMs(),
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  };
}

/** Two timelines may give one number to two revocations. */
function isSame(one: RevocationEntry | undefined, other: RevocationEntry): boolean {
  return one?.sequence === other.sequence && one.sessionId === other.sessionId && one.at === other.at;
}
