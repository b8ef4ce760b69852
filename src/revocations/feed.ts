import type { AnyAccessTokenClaims } from "../access-token/claims.ts";
import { LatchkeyError } from "../errors.ts";
import type { RevocationEntry } from "../records/revocation.ts";
import type { Revocations } from "./known-revocations.ts";

/** With nothing to send, a sign of life is sent this often. */
const HEARTBEAT_MS = 5000;
/** How old the last read of the log may be for what is sent from it to count as complete. */
const FRESH_MS = 3000;
const PAGE = 500;
const MAX_FOLLOWERS = 1000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Part of the feed. */
export interface FeedPage {
  readonly entries: readonly FeedEntry[];
  /** The entry after which to continue. */
  readonly next: number;
  /** Whether everything revoked up to a moment ago is included. */
  readonly isComplete: boolean;
}

/** One session that has ended. */
export interface FeedEntry {
  readonly sequence: number;
  readonly sessionId: string;
  /** Milliseconds since the Unix epoch. */
  readonly revokedAt: number;
  /** When the last access token of the session has expired for sure, in milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

/** A receiver of the feed, and for how long it receives. */
export interface FollowRequest {
  /** The last entry already known; 0 for none. */
  readonly after: number;
  /** The claims of the follower's own access token; once that is revoked, nothing more is sent to it. */
  readonly granted: Pick<AnyAccessTokenClaims, "jti" | "sid" | "iat">;
  /** When the follower's own access token expires, in milliseconds since the Unix epoch. */
  readonly until: number;
}

/** Follows the feed. It keeps a number, not a queue: a slow reader costs no memory. */
export interface FeedFollower {
  /** What comes next: pages as they come, an empty one as a sign of life; `undefined` when it is over. */
  next(): Promise<FeedPage | undefined>;
  close(): void;
}

/** What has been revoked, for services that verify access tokens elsewhere. */
export interface RevocationFeed {
  /** At most `limit` entries after one. @throws LatchkeyError `store_unavailable` when the log cannot be read. */
  read(after: number, limit: number): Promise<FeedPage>;
  /**
   * Reads the log once more and sends it from there on.
   * @throws LatchkeyError `server_busy` when too many follow already or the feed is closed, and `store_unavailable`.
   */
  follow(request: FollowRequest): Promise<FeedFollower>;
  /** Ends all followers and accepts no more. */
  close(): void;
  readonly followers: number;
}

/** Sends what is in `revocations`, from memory. */
export function createRevocationFeed(
  revocations: Revocations,
  now: () => number,
  { maxFollowers = MAX_FOLLOWERS, heartbeatMs = HEARTBEAT_MS } = {},
): RevocationFeed {
  const { log } = revocations;
  const followers = new Set<FeedFollower>();
  let isClosed = false;

  function pageAfter(after: number, limit: number): FeedPage {
    const entries = log.after(after, limit);
    const next = entries.at(-1)?.sequence ?? after;
    const isFresh = Math.abs(now() - log.readAt) <= FRESH_MS;
    return { entries: entries.map(toFeedEntry), next, isComplete: isFresh && log.after(next, 1).length === 0 };
  }

  function toFeedEntry(entry: RevocationEntry): FeedEntry {
    const { sequence, sessionId, at } = entry;
    return { sequence, sessionId, revokedAt: at, expiresAt: log.forgottenAt(entry) };
  }

  /**
   * Where to start sending. A number that the log has not reached is from before a backup was restored: all of it is
   * sent again then, since nothing says where the two part.
   */
  function startAfter(after: number): number {
    return after <= log.newestSequence ? after : 0;
  }

  function createFollower({ granted, until }: FollowRequest, startingAfter: number): FeedFollower {
    let after = startingAfter;
    let { beginnings } = log;
    // The first page comes at once even if it is empty: then everything has been sent.
    let isSignOfLifeDue = true;
    let isOver = false;
    let wake = () => {};
    const unsubscribe = log.subscribe(() => wake());
    const expiry = setTimeout(close, Math.min(Math.max(0, until - now()), LONGEST_TIMER_MS)).unref();
    let heartbeat: NodeJS.Timeout | undefined;

    function close(): void {
      isOver = true;
      clearTimeout(expiry);
      clearTimeout(heartbeat);
      unsubscribe();
      followers.delete(follower);
      wake();
    }

    function told(page: FeedPage): FeedPage {
      after = page.next;
      isSignOfLifeDue = false;
      clearTimeout(heartbeat);
      heartbeat = setTimeout(() => {
        isSignOfLifeDue = true;
        wake();
      }, heartbeatMs).unref();
      return page;
    }

    const follower: FeedFollower = {
      async next() {
        while (!isOver && !revocations.covers(granted)) {
          if (log.beginnings !== beginnings) {
            after = 0;
            beginnings = log.beginnings;
          }
          const page = pageAfter(after, PAGE);
          if (page.entries.length > 0 || (isSignOfLifeDue && page.isComplete)) return told(page);
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        close();
        return undefined;
      },
      close,
    };
    followers.add(follower);
    return follower;
  }

  return {
    async read(after, limit) {
      // What this process has acknowledged is sent by it, no matter how soon it is asked.
      if (log.isBehind || after > log.newestSequence || Math.abs(now() - log.readAt) > FRESH_MS)
        await revocations.poll();
      return pageAfter(startAfter(after), limit);
    },
    async follow(request) {
      await revocations.poll();
      if (isClosed || followers.size >= maxFollowers) {
        throw new LatchkeyError("server_busy", {
          description: "Too many clients follow the revocation feed. Poll instead, or retry later.",
          retryAfterSeconds: 5,
        });
      }
      return createFollower(request, startAfter(request.after));
    },
    close() {
      isClosed = true;
      for (const follower of followers) follower.close();
    },
    get followers() {
      return followers.size;
    },
  };
}
