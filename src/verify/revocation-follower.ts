import type { AnyAccessTokenClaims } from "../access-token/claims.ts";
import { jittered, pauseAfter } from "../backoff.ts";
import { LatchkeyError } from "../errors.ts";
import { createFeedConnection } from "./feed-connection.ts";
import { createKnownRevocations } from "./known-revocations.ts";
import type { ResolvedRevocationOptions, ResolvedVerifierOptions } from "./verifier-options.ts";

/** A stream that stayed open at least this long counts as working. */
const SETTLED_MS = 5000;
const POLL_MS = 1000;
/** If only polling works, the stream is tried again after 2 polls, then 4, 8 and so on, up to this many. */
const MOST_POLLS = 30;
const BACKOFF = { firstMs: 250, longestMs: 5000 };

/** The state of a verifier's connection to the feed. */
export interface FeedStatus {
  /** `down`: nothing has been received for `maxFeedLagSeconds`. */
  readonly state: "streaming" | "polling" | "down";
  /** How long ago every revocation was known here, in seconds; `null` before the first time. */
  readonly lagSeconds: number | null;
}

/** Receives revocations, and decides what to do when it cannot. */
export interface RevocationFollower {
  /**
   * @throws LatchkeyError `session_revoked`; and `verifier_unavailable` if the state cannot be known and the options
   *   say to refuse in that case.
   */
  refuseRevoked(claims: AnyAccessTokenClaims): Promise<void>;
  /** Resolves when the feed has been read to its end once. */
  readonly heard: Promise<void>;
  status(): FeedStatus;
  close(): void;
}

/** Connects at once and stays connected until it is closed. */
export function followRevocations(
  options: ResolvedVerifierOptions,
  { whenFeedIsDown, maxFeedLagSeconds, onError }: ResolvedRevocationOptions,
): RevocationFollower {
  const { clock, random } = options.environment;
  const known = createKnownRevocations(() => clock.now());
  const closing = new AbortController();
  const heard = createSignal();
  // The first attempt, successful or not: until then it is not known whether the feed is down.
  const tried = createSignal();
  let heardAt: number | undefined;
  let heardBy: "streaming" | "polling" = "streaming";

  const connection = createFeedConnection(
    { revocations: options.revocations!, fetch: options.fetch },
    {
      learn: (entry) => known.learn(entry),
      upToDate(by) {
        heardAt = clock.now();
        heardBy = by === "stream" ? "streaming" : "polling";
        heard.give();
        tried.give();
      },
    },
  );

  async function run(): Promise<void> {
    let [failures, spells] = [0, 0];
    while (!closing.signal.aborted) {
      const startedAt = clock.now();
      if (await succeeds(connection.stream)) {
        failures = clock.now() - startedAt >= SETTLED_MS ? 0 : failures + 1;
        spells = 0;
      } else if (await succeedsInPolling(Math.min(2 ** (spells + 1), MOST_POLLS))) {
        failures = 0;
        spells++;
      } else {
        tried.give();
        failures++;
      }
      await pause(jittered(pauseAfter(failures + 1, BACKOFF), random));
    }
  }

  /** Polls that many times, or until one poll fails. Returns whether the first succeeded. */
  async function succeedsInPolling(times: number): Promise<boolean> {
    let polls = 0;
    while (polls < times && (await succeeds(connection.poll))) {
      polls++;
      await pause(POLL_MS);
    }
    return polls > 0;
  }

  async function succeeds(attempt: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
    try {
      await attempt(closing.signal);
      return true;
    } catch (error) {
      if (!closing.signal.aborted) tell(error);
      return false;
    }
  }

  function tell(error: unknown): void {
    try {
      onError(error);
    } catch {}
  }

  /** Waits, unless it is closed meanwhile. */
  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        closing.signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      closing.signal.addEventListener("abort", done);
      if (closing.signal.aborted) done();
    });
  }

  function isDown(): boolean {
    return heardAt === undefined || clock.now() - heardAt > maxFeedLagSeconds * 1000;
  }

  void run();
  return {
    async refuseRevoked(claims) {
      if (heardAt === undefined) await tried.given;
      if (known.covers(claims)) throw new LatchkeyError("session_revoked");
      if (whenFeedIsDown === "refuse" && isDown()) {
        throw new LatchkeyError("verifier_unavailable", {
          detail: `The revocation feed has been silent for more than ${maxFeedLagSeconds} seconds.`,
          retryAfterSeconds: 1,
        });
      }
    },
    heard: heard.given,
    status: () => ({
      state: isDown() ? "down" : heardBy,
      lagSeconds: heardAt === undefined ? null : Math.max(0, (clock.now() - heardAt) / 1000),
    }),
    close() {
      closing.abort(new Error("The verifier has been closed."));
      tried.give();
    },
  };
}

/** Something that happens once. */
function createSignal(): { readonly given: Promise<void>; give(): void } {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give: () => give() };
}
