import { createBatch } from "./batch.ts";
import type { Engine } from "./engine.ts";
import { LatchkeyError } from "./errors.ts";
import type { RequestContext } from "./events.ts";
import { asPresented, type ForeignSession, readForeignSession, sessionOfForeign } from "./foreign-session.ts";
import type { PresentedRefreshToken } from "./refresh-token.ts";
import type { SessionCreated, SessionCreation } from "./store/store.ts";
import { claimsToBeOurs } from "./token-kinds.ts";

/** What became of the sessions given to `adoptSessions`. */
export interface AdoptionReport {
  /** Adopted by this call. */
  readonly adopted: number;
  /** Adopted before, and left as they are. */
  readonly known: number;
  /** Past their absolute end. */
  readonly expired: number;
  /** Of a user or a client that is disabled here. */
  readonly refused: number;
}

/** Takes over sessions that another system has opened. */
export interface Adoption {
  /**
   * What a refresh token that is not Latchkey's stands for here, its session adopted if it was not yet; `undefined` where it
   * is nobody's. Throws `session_expired`, `session_revoked`, `too_many_requests`, `store_unavailable`.
   */
  present(refreshToken: string, context: RequestContext): Promise<PresentedRefreshToken | undefined>;
  /** Adopts sessions ahead of their next refresh. */
  adoptSessions(
    sessions: Iterable<ForeignSession> | AsyncIterable<ForeignSession>,
    context?: RequestContext,
  ): Promise<AdoptionReport>;
  /** Resolves when no adoption waits for the store. */
  settled(): Promise<void>;
}

/** No browser keeps a longer one in a cookie, and what looks it up should not be handed more. */
const MOST_CHARACTERS = 8192;

const BATCH = 256;

/** Adoptions that arrive together are committed together; however many there are of one session, it is created once. */
export function createAdoption(engine: Pick<Engine, "options" | "store" | "throttle" | "emit" | "now">): Adoption {
  const { options, store, throttle, emit, now } = engine;
  const { random } = options.environment;
  const batch = createBatch<SessionCreation, SessionCreated>((creations) => store.createSessions(creations), {
    maxBatch: BATCH,
    maxWaiting: 10_000,
  });

  async function lookUp(refreshToken: string): Promise<ForeignSession | null> {
    const source = options.foreignRefreshTokens;
    if (source === undefined || claimsToBeOurs(refreshToken)) return null;
    if (refreshToken === "" || refreshToken.length > MOST_CHARACTERS) return null;
    let found: ForeignSession | null;
    try {
      found = await source(refreshToken);
    } catch (cause) {
      throw new LatchkeyError("store_unavailable", {
        detail: "The 'foreignRefreshTokens' option threw.",
        cause,
        retryAfterSeconds: 1,
      });
    }
    return found === null ? null : readForeignSession(found);
  }

  function creationOf(foreign: ForeignSession): SessionCreation {
    // No session limit: whoever moves is not to be logged out by moving. The next sign-in applies it.
    const session = sessionOfForeign(foreign, now(), random);
    return { session, verifiedPasswordHash: null, sessionLimit: 0, ifAbsent: true };
  }

  async function outcomeOf(
    { session }: SessionCreation,
    { created }: SessionCreated,
    context: RequestContext,
  ): Promise<"adopted" | "known" | "refused"> {
    const { id: sessionId, subject, clientId } = session;
    if (!created) return (await store.findSession(sessionId)) === null ? "refused" : "known";
    emit({ type: "session.adopted", sessionId, subject, clientId }, context);
    return "adopted";
  }

  return {
    async present(refreshToken, context) {
      const foreign = await lookUp(refreshToken);
      if (foreign === null) return undefined;
      if (now() >= foreign.expiresAt) throw new LatchkeyError("session_expired");
      const presented = asPresented(foreign);
      throttle.refuseRefresh(presented.sessionId);
      if ((await store.findSession(presented.sessionId)) !== null) return presented;
      const creation = creationOf(foreign);
      const outcome = await outcomeOf(creation, await batch.add(creation), context);
      if (outcome === "refused") throw new LatchkeyError("session_revoked");
      return presented;
    },

    async adoptSessions(sessions, context = {}) {
      const report = { adopted: 0, known: 0, expired: 0, refused: 0 };
      let waiting: SessionCreation[] = [];
      const commit = async () => {
        const results = await store.createSessions(waiting);
        for (const [index, creation] of waiting.entries()) {
          report[await outcomeOf(creation, results[index]!, context)] += 1;
        }
        waiting = [];
      };
      for await (const given of sessions) {
        const foreign = readForeignSession(given);
        if (now() >= foreign.expiresAt) report.expired += 1;
        else waiting.push(creationOf(foreign));
        if (waiting.length === BATCH) await commit();
      }
      if (waiting.length > 0) await commit();
      return report;
    },

    settled: () => batch.settled(),
  };
}
