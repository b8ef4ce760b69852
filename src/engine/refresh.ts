import { setImmediate, setTimeout } from "node:timers/promises";
import type { DpopProof, DpopRequest } from "../access-token/dpop-proof.ts";
import { looksLikeAccessToken } from "../access-token/token-kinds.ts";
import { LatchkeyError } from "../errors.ts";
import { FIRST_PARTY_CLIENT_ID, shortUserAgent } from "../records/session.ts";
import { type PresentedRefreshToken, parseRefreshToken } from "../secrets/refresh-token.ts";
import type { Adoption } from "./adoption/adoption.ts";
import { sessionsOf } from "./announce-revoked.ts";
import { type Batch, createBatch } from "./batch.ts";
import { createElsewhereWatch, isElsewhere } from "./elsewhere.ts";
import type { EngineParts } from "./engine.ts";
import type { RequestContext, StatedEvent } from "./events.ts";
import type { ResolvedOptions, SubjectState } from "./options.ts";
import {
  decideRefreshes,
  type RefreshOutcome,
  type RefreshPolicy,
  type RefreshRequest,
  refused,
} from "./refresh-decision.ts";
import { subjectStates } from "./subjects.ts";
import type { TokenPair } from "./token-pair.ts";

/** How long a process, even one that was stalled, needs to notice that a client has closed its connection. */
const NOTICED_WITHIN_MS = 25;

/** Who refreshes, and what is requested. */
export interface RefreshOptions {
  /** The client that must own the session, as authenticated. Default: `first-party`. */
  readonly clientId?: string | undefined;
  /** A part of the session's scope, for the next access token alone. Default: all of it. */
  readonly scope?: string | undefined;
  /**
   * The proof sent with the request. A session that is bound to a key requires a proof by that key; for any other
   * session, the next access token is bound to the key of the proof, and the session stays unbound (RFC 9449
   * section 5).
   */
  readonly dpop?: DpopRequest | undefined;
  /** Whether that client is confidential and has authenticated in the same request. Default: false. */
  readonly isClientAuthenticated?: boolean | undefined;
}

/** The settings that decide refreshes under these options. */
export function refreshPolicy(options: ResolvedOptions): RefreshPolicy {
  return {
    rotationGraceSeconds: options.rotationGraceSeconds,
    idleTtlSeconds: options.idleTtlSeconds,
    staleWithProof: options.staleWithProof,
    subjectsAreUsers: options.subjects === undefined,
  };
}

/**
 * The refresh: parse, throttle, commit together with all requests that arrive at the same time, and only then sign. A
 * crash between commit and response costs nothing, since the client's retry returns the same successor.
 */
export function createRefresh(
  engine: EngineParts,
  adoption: Pick<Adoption, "present">,
): {
  readonly refresh: (refreshToken: string, context: RequestContext, options: RefreshOptions) => Promise<TokenPair>;
  readonly batch: Batch<RefreshRequest, RefreshOutcome>;
} {
  const { options, store, throttle, proofs, stalls, emit, announceRevoked, now } = engine;
  const policy = refreshPolicy(options);
  const isFirstElsewhere = createElsewhereWatch(now);

  async function commit(requests: readonly RefreshRequest[]): Promise<readonly RefreshOutcome[]> {
    const twins = new Map<string, number[]>();
    for (const [at, { token }] of requests.entries()) {
      const { sessionId } = token;
      const others = twins.get(sessionId);
      if (others === undefined) twins.set(sessionId, [at]);
      else others.push(at);
    }
    const groups = [...twins.values()];
    const outcomes = new Array<RefreshOutcome>(requests.length);
    await store.changeSessions([...twins.keys()], (index, found) => {
      const members = groups[index]!;
      if (found !== null) engine.usernames.meet(found.user);
      const decided = decideRefreshes(
        found,
        members.map((at) => requests[at]!),
        now(),
        policy,
      );
      for (const [nth, at] of members.entries()) outcomes[at] = decided.outcomes[nth]!;
      return decided.change;
    });
    return options.subjects === undefined ? outcomes : withCurrentRoles(engine, outcomes);
  }

  const batch = createBatch(commit, { maxBatch: 256, maxWaiting: 10_000 });

  async function refresh(
    refreshToken: string,
    context: RequestContext,
    { clientId = FIRST_PARTY_CLIENT_ID, scope, dpop, isClientAuthenticated = false }: RefreshOptions,
  ): Promise<TokenPair> {
    // Only now, when the whole request has arrived: a client that sends its body slowly has not waited for us.
    const arrivedAt = stalls.arrival();
    const presented = (await adoption.present(refreshToken, context)) ?? parsePresented(engine, refreshToken, context);
    const proof = dpop && (await proofs.read(dpop));
    if (proof !== undefined) await spend(presented, proof);
    const outcome = await present({
      token: presented,
      clientId,
      jkt: proof?.jkt,
      scope,
      isClientAuthenticated,
      from: { ip: context.ip ?? null, userAgent: shortUserAgent(context.userAgent) },
      hasGone: context.isAbandoned,
      hasWaited: () => stalls.hasWaited(arrivedAt),
      mayHaveGone: context.isAbandoned !== undefined,
    });
    if (outcome.kind !== "issued") throw await failed(outcome, presented.generation, context);
    const { session, generation, decision, roles } = outcome;
    const { id: sessionId, subject } = session;
    throttle.countRefresh(sessionId);
    engine.replaced.refreshed(sessionId, generation);
    const unusual = unusualRefresh(outcome, presented.generation, context, isClientAuthenticated);
    if (unusual !== undefined) emit(unusual, context);
    emit({ type: "session.refreshed", sessionId, subject, generation, decision }, context);
    return engine.sign(session, generation, roles, { jkt: session.jkt ?? proof?.jkt, isRefresh: true });
  }

  /** Reports the outcome of a refresh that returns no pair, and returns the error for its client. */
  async function failed(
    outcome: Exclude<RefreshOutcome, { readonly kind: "issued" }>,
    generation: number,
    context: RequestContext,
  ): Promise<LatchkeyError> {
    if (outcome.kind === "refused") {
      if (outcome.code === "invalid_refresh_token") return invalidToken(engine, context);
      return new LatchkeyError(outcome.code, outcome.code === "invalid_dpop_proof" ? boundToAnotherKey : {});
    }
    if (outcome.kind === "abandoned" || outcome.kind === "perhaps_reused") return abandoned();
    const { id: sessionId, subject, rotation, revokedAt } = outcome.session;
    if (outcome.kind === "forgiven") {
      const cause = outcome.hasWaited ? "process_stalled" : "connection_lost";
      const { confirmed } = rotation;
      emit({ type: "refresh_token.reuse_forgiven", sessionId, subject, generation, confirmed, cause }, context);
      return abandoned();
    }
    const ended = { sessions: sessionsOf(subject, [sessionId]), at: revokedAt! };
    if (outcome.kind === "subject_gone") {
      await announceRevoked({ ...ended, why: { reason: "user_disabled" } }, context);
      return new LatchkeyError("session_revoked");
    }
    const why = { reason: "refresh_token_reused", generation, confirmed: outcome.confirmed } as const;
    await announceRevoked({ ...ended, why }, context);
    return new LatchkeyError("refresh_token_reused");
  }

  /** What an operator should know about a refresh that was answered, beyond the fact that it was. */
  function unusualRefresh(
    { session, decision, known, before }: Extract<RefreshOutcome, { kind: "issued" }>,
    generation: number,
    context: RequestContext,
    isClientAuthenticated: boolean,
  ): StatedEvent | undefined {
    const about = { sessionId: session.id, subject: session.subject, generation };
    if (decision === "rolled_back") return { type: "session.rolled_back", ...about, known };
    if (decision === "caught_up") return { type: "session.caught_up", ...about, known };
    if (decision !== "repeat" || isClientAuthenticated || !isElsewhere(before, context)) return undefined;
    if (!isFirstElsewhere(session.id)) return undefined;
    return {
      type: "refresh_token.repeated_elsewhere",
      ...about,
      userAgent: shortUserAgent(context.userAgent),
      before,
    };
  }

  /**
   * Decides, and decides again before it reports reuse: a closed connection is noticed a little later than the data
   * that came over it.
   */
  async function present(request: RefreshRequest): Promise<RefreshOutcome> {
    const outcome = await batch.add(request);
    if (outcome.kind !== "perhaps_reused") return outcome;
    await setTimeout(NOTICED_WITHIN_MS);
    // However late that was: the sockets have been checked twice since, for data and for the close after it.
    for (let turn = 0; turn < 3; turn++) await setImmediate();
    return batch.add({ ...request, mayHaveGone: false });
  }

  /**
   * Before anything is written, and only for clients with a refresh token that could be valid, so that strangers use no
   * memory.
   */
  async function spend(token: PresentedRefreshToken, proof: DpopProof): Promise<void> {
    const session = await store.findSession(token.sessionId);
    if (session === null || !token.isAuthentic(session.salt)) return;
    if (session.jkt === null || session.jkt === proof.jkt) proofs.use(proof);
  }

  return { refresh, batch };
}

const boundToAnotherKey = {
  description: "The session is bound to a key. Send a DPoP proof signed with this key.",
} as const;

/** No one reads this, except a client that has not disconnected after all; it may retry. */
function abandoned(): LatchkeyError {
  return new LatchkeyError("server_busy", {
    retryAfterSeconds: 1,
    detail: "The connection was closed before the refresh was decided. Nothing was changed.",
  });
}

/** Reads a presented token and refuses what cannot be one, before anything is looked up. */
function parsePresented(engine: EngineParts, text: string, context: RequestContext): PresentedRefreshToken {
  const { throttle, rootKeys } = engine;
  if (looksLikeAccessToken(text)) {
    throw new LatchkeyError("wrong_token_type", {
      description: "This is an access token. The endpoint requires a refresh token.",
    });
  }
  const presented = parseRefreshToken(text, rootKeys);
  if (presented === undefined) throw invalidToken(engine, context);
  // Only authentic tokens are counted for a session, so that knowing its id is not enough to have it throttled.
  throttle.refuseRefresh(presented.sessionId);
  return presented;
}

/**
 * Counts an invalid token against its address, and reports the limit instead once it is exceeded. Valid tokens from
 * that address are never refused because of it: server-side renderers and whole offices share an address.
 */
function invalidToken({ throttle }: EngineParts, { ip = null }: RequestContext): LatchkeyError {
  throttle.refuseGuessing(ip);
  throttle.countInvalidRefresh(ip);
  return new LatchkeyError("invalid_refresh_token");
}

/**
 * Asks the application for its subjects' state, after the commit: a session that it refuses now is revoked, and stays
 * revoked.
 */
async function withCurrentRoles(
  engine: EngineParts,
  outcomes: readonly RefreshOutcome[],
): Promise<readonly RefreshOutcome[]> {
  const { store, now } = engine;
  const issued = outcomes.filter((outcome) => outcome.kind === "issued");
  if (issued.length === 0) return outcomes;
  const states = await subjectStates(engine, [...new Set(issued.map(({ session }) => session.subject))]);
  const gone = issued.map(({ session }) => session).filter(({ subject }) => !states.has(subject));
  if (gone.length === 0) return issuedWith(outcomes, states);
  const revocation = { at: now(), reason: "user_disabled" } as const;
  const revoked = new Set(await store.revokeSessions([...new Set(gone.map(({ id }) => id))], revocation));
  return issuedWith(outcomes, states).map((outcome) => {
    if (outcome.kind !== "issued" || states.has(outcome.session.subject)) return outcome;
    // Among twins, one reports the revocation.
    if (!revoked.delete(outcome.session.id)) return refused("session_revoked");
    return {
      kind: "subject_gone",
      session: { ...outcome.session, revokedAt: revocation.at, revokedFor: revocation.reason },
    };
  });
}

function issuedWith(
  outcomes: readonly RefreshOutcome[],
  states: ReadonlyMap<string, SubjectState>,
): readonly RefreshOutcome[] {
  return outcomes.map((outcome) =>
    outcome.kind === "issued" ? { ...outcome, roles: states.get(outcome.session.subject)?.roles ?? [] } : outcome,
  );
}
