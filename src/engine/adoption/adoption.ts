import { claimsToBeOurs } from "../../access-token/token-kinds.ts";
import { LatchkeyError } from "../../errors.ts";
import type { Session } from "../../records/session.ts";
import type { PresentedRefreshToken } from "../../secrets/refresh-token.ts";
import type { SessionCreated, SessionCreation } from "../../store/session-store.ts";
import { createBatch } from "../batch.ts";
import type { EngineParts } from "../engine.ts";
import type { RequestContext } from "../events.ts";
import { asPresented, type ForeignSession, readForeignSession, sessionOfForeign } from "./foreign-session.ts";

/** What became of the sessions given to `sessions.adopt`. */
export interface AdoptionReport {
  /** Adopted by this call. */
  readonly adopted: number;
  /** Adopted before, and left as they are. */
  readonly known: number;
  /** Past their absolute end, or ended here and swept since. */
  readonly expired: number;
  /** Of a user or a client that is disabled here, or adopted before for another subject or client. */
  readonly refused: number;
}

/** Takes over sessions that another system has opened. */
export interface Adoption {
  /**
   * What a refresh token that is not Latchkey's refers to here, its session adopted if it was not yet; `undefined` if
   * it is nobody's. Throws `session_expired`, `session_revoked`, `too_many_requests`, `store_unavailable`, and
   * `invalid_refresh_token` where the session is another subject's or another client's.
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

/** `another`: the session that was adopted under the same id for another subject or client, which is never handed out. */
type Outcome = "adopted" | "known" | "expired" | "refused" | { readonly another: Session };

/** No browser keeps a longer one in a cookie, and what looks it up should not be handed more. */
const MOST_CHARACTERS = 8192;

const BATCH = 256;

/** Adoptions that arrive together are committed together; however many there are of one session, it is created once. */
export function createAdoption(engine: Pick<EngineParts, "options" | "store" | "throttle" | "emit" | "now">): Adoption {
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
    // No session limit: moving here must not log anyone out. The next sign-in applies it.
    const session = sessionOfForeign(foreign, now(), random);
    return { session, credentialsVersion: null, sessionLimit: 0, ifAbsent: true };
  }

  async function outcomeOf(
    { session }: SessionCreation,
    result: SessionCreated,
    context: RequestContext,
  ): Promise<Outcome> {
    const { id: sessionId, subject, clientId } = session;
    if (result.created) {
      emit({ type: "session.adopted", sessionId, subject, clientId }, context);
      return "adopted";
    }
    if (result.hasEnded === true) return "expired";
    const stored = await store.findSession(sessionId);
    return stored === null ? "refused" : outcomeOfKnown(stored, session);
  }

  async function adoptOne(creation: SessionCreation, context: RequestContext): Promise<Outcome> {
    const stored = await store.findSession(creation.session.id);
    if (stored !== null) return outcomeOfKnown(stored, creation.session);
    return outcomeOf(creation, await batch.add(creation), context);
  }

  function reportAnother(another: Session, { session }: SessionCreation, context: RequestContext): void {
    const { id: sessionId, subject, clientId } = another;
    const { subject: presentedSubject, clientId: presentedClientId } = session;
    const type = "session.adoption_refused";
    emit({ type, sessionId, subject, clientId, presentedSubject, presentedClientId }, context);
  }

  return {
    async present(refreshToken, context) {
      const foreign = await lookUp(refreshToken);
      if (foreign === null) return undefined;
      if (now() >= foreign.expiresAt) throw new LatchkeyError("session_expired");
      const presented = asPresented(foreign);
      throttle.refuseRefresh(presented.sessionId);
      const creation = creationOf(foreign);
      const outcome = await adoptOne(creation, context);
      if (outcome === "refused") throw new LatchkeyError("session_revoked");
      if (outcome === "expired") throw new LatchkeyError("session_expired");
      if (typeof outcome === "string") return presented;
      // It is as good as a guess, and counted as one, so that nobody floods the operator with reports.
      const { ip = null } = context;
      throttle.refuseGuessing(ip);
      throttle.countInvalidRefresh(ip);
      reportAnother(outcome.another, creation, context);
      throw new LatchkeyError("invalid_refresh_token");
    },

    async adoptSessions(sessions, context = {}) {
      const report = { adopted: 0, known: 0, expired: 0, refused: 0 };
      let waiting: SessionCreation[] = [];
      const commit = async () => {
        const results = await store.createSessions(waiting);
        for (const [index, creation] of waiting.entries()) {
          const outcome = await outcomeOf(creation, results[index]!, context);
          if (typeof outcome === "object") reportAnother(outcome.another, creation, context);
          report[typeof outcome === "object" ? "refused" : outcome] += 1;
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

function outcomeOfKnown(stored: Session, wanted: Session): Outcome {
  const isSame = stored.subject === wanted.subject && stored.clientId === wanted.clientId;
  return isSame ? "known" : { another: stored };
}
