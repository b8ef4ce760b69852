import type { AccessLifetime } from "../records/access-lifetime.ts";
import type { KeyStore } from "../store/key-store.ts";

/** What is said of this process's lifetime holds for this long; a token is signed only while it does. */
const IN_FORCE_MS = 120_000;
/** How far clocks may step, or differ, without an access token being believed again that was revoked. */
const CLOCK_STEP_MS = 10 * 60_000;

/** What {@link openAccessLifetimes} needs to know. */
export interface AccessLifetimesParts {
  readonly store: Pick<KeyStore, "keepAccessLifetime" | "listAccessLifetimes">;
  readonly now: () => number;
  /** How long the access tokens live that this process signs. */
  readonly accessTtlSeconds: number;
  readonly leewaySeconds: number;
}

/**
 * How long access tokens live, for any process that signed them and any setting: what has been revoked has to be
 * remembered as long as the longest-lived token signed before it, also by a process whose own tokens live for a minute.
 */
export interface AccessLifetimes {
  /** The greatest life of an access token that may still be good. It goes down once all tokens of the greater one have expired. */
  greatestSeconds(): number;
  /** How long what has been revoked, or replaced, matters. */
  rememberMs(): number;
  /**
   * Reads what all processes sign. To be called after what has been revoked was read and before it is acted upon: a process that signed a
   * token of that session had kept its lifetime before. Rejects as the store does.
   */
  read(): Promise<void>;
  /** Keeps that this process signs tokens of its lifetime now. To be called once a minute. Calls that wait together share one act. */
  keep(): Promise<void>;
  /** The same where it was not done lately. To be called before signing, so that no token lives longer than others expect. */
  keepIfStale(): Promise<void> | undefined;
}

/** Keeps this process's lifetime in the store, and reads the others'. Rejects as the store does. */
export async function openAccessLifetimes(parts: AccessLifetimesParts): Promise<AccessLifetimes> {
  const { store, now, accessTtlSeconds, leewaySeconds } = parts;
  const slackMs = leewaySeconds * 1000 + CLOCK_STEP_MS;
  let known: readonly AccessLifetime[] = [];
  let [asked, answered] = [0, 0];
  let keptAt = Number.NEGATIVE_INFINITY;
  let keeping: Promise<void> | undefined;

  /** An answer that comes late does not take the place of a newer one. */
  async function learn(ask: () => Promise<readonly AccessLifetime[]>): Promise<void> {
    const number = ++asked;
    const found = await ask();
    if (number < answered) return;
    answered = number;
    known = found;
  }

  async function keepNow(): Promise<void> {
    const at = now();
    const own = { seconds: accessTtlSeconds, lastInForceAt: at + IN_FORCE_MS };
    await learn(() => store.keepAccessLifetime(own, at - slackMs));
    keptAt = at;
  }

  function keep(): Promise<void> {
    keeping ??= keepNow().finally(() => {
      keeping = undefined;
    });
    return keeping;
  }

  function greatestSeconds(): number {
    const at = now();
    const alive = known.filter(({ seconds, lastInForceAt }) => lastInForceAt + seconds * 1000 + slackMs > at);
    return Math.max(accessTtlSeconds, ...alive.map(({ seconds }) => seconds));
  }

  await keep();
  return {
    greatestSeconds,
    rememberMs: () => greatestSeconds() * 1000 + slackMs,
    read: () => learn(() => store.listAccessLifetimes()),
    keep,
    keepIfStale() {
      const age = now() - keptAt;
      return age < 0 || age >= IN_FORCE_MS ? keep() : undefined;
    },
  };
}
