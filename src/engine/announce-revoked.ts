import type { KnownUsernames } from "../accounts/known-usernames.ts";
import { inSlices } from "../in-slices.ts";
import type { RevokedSession } from "../records/revocation.ts";
import type { RevocationReason } from "../records/session.ts";
import type { Revocations } from "../revocations/known-revocations.ts";
import type { EmitAny, RequestContext, SessionEndedEvent, StatedEvent } from "./events.ts";

/** Why sessions have ended. A reuse also has the generation presented, and the newest one that had been confirmed. */
export type WhyEnded =
  | { readonly reason: Exclude<RevocationReason, "refresh_token_reused"> }
  | { readonly reason: "refresh_token_reused"; readonly generation: number; readonly confirmed: number };

/** Sessions that an act has just ended. The act is committed. */
export interface Ending {
  readonly sessions: readonly RevokedSession[];
  /** When they ended, in milliseconds since the Unix epoch. */
  readonly at: number;
  readonly why: WhyEnded;
  /** What else has ended, by its id in the log of revocations: a client's grant, or every session. Default: nothing. */
  readonly alsoEnded?: string | null | undefined;
  /**
   * The event of the act itself. It comes before those of the sessions, and is emitted even if no session has ended.
   * Default: none.
   */
  readonly act?: StatedEvent | undefined;
}

/**
 * The one place where this process learns that sessions have ended. When it resolves, their access tokens are refused here and
 * every event has been emitted, once.
 */
export type AnnounceRevoked = (ending: Ending, context: RequestContext) => Promise<void>;

/** The dependencies of {@link createAnnounceRevoked}. */
export interface AnnounceRevokedParts {
  readonly revocations: Pick<Revocations, "add">;
  readonly usernames: Pick<KnownUsernames, "learn">;
  readonly emit: EmitAny;
}

/**
 * Records ended sessions in memory and emits their events. Access tokens are refused before any listener is notified,
 * and for the first sessions without a pause after the commit: a listener that verifies an access token of an ended
 * session is refused.
 */
export function createAnnounceRevoked({ revocations, usernames, emit }: AnnounceRevokedParts): AnnounceRevoked {
  return async ({ sessions, at, why, alsoEnded = null, act }, context) => {
    if (alsoEnded !== null) revocations.add([alsoEnded], at);
    await inSlices(sessions, (slice) =>
      revocations.add(
        slice.map(({ id }) => id),
        at,
      ),
    );
    await usernames.learn(onlySubjectOf(sessions));
    if (act !== undefined) emit(act, context);
    await inSlices(sessions, (slice) => {
      for (const session of slice) emit(endedEvent(session, why), context);
    });
  };
}

/** The sessions of one person, as `announceRevoked` expects them. */
export function sessionsOf(subject: string, ids: readonly string[]): readonly RevokedSession[] {
  return ids.map((id) => ({ id, subject }));
}

/** Only a single name is worth a read of the store. */
function onlySubjectOf(sessions: readonly RevokedSession[]): string | null {
  const subject = sessions[0]?.subject ?? null;
  return sessions.every((session) => session.subject === subject) ? subject : null;
}

function endedEvent({ id: sessionId, subject }: RevokedSession, why: WhyEnded): SessionEndedEvent {
  if (why.reason === "logout") return { type: "session.logged_out", sessionId, subject };
  if (why.reason !== "refresh_token_reused") return { type: "session.revoked", sessionId, subject, reason: why.reason };
  const { generation, confirmed } = why;
  return { type: "refresh_token.reused", sessionId, subject, generation, confirmed };
}
