import { type AccessTokenClaims, generationOf } from "../access-token/claims.ts";
import type { DpopProof, DpopRequest } from "../access-token/dpop-proof.ts";
import { LatchkeyError } from "../errors.ts";
import type { JsonValue } from "../json.ts";
import type { ProofOfPerson } from "../records/proof-of-person.ts";
import { generationToReissue } from "../records/rotation.ts";
import { type Session, sessionStatus } from "../records/session.ts";
import { looksLikeClientId } from "../secrets/client-credentials.ts";
import type { SessionCreated, SessionCreation } from "../store/session-store.ts";
import { sessionsOf } from "./announce-revoked.ts";
import { createBatch } from "./batch.ts";
import type { EngineParts } from "./engine.ts";
import type { RequestContext } from "./events.ts";
import { copyDetails } from "./given-details.ts";
import { newSession } from "./new-session.ts";
import { subjectStates } from "./subjects.ts";
import { reportingFailures } from "./throttling/login-failures.ts";
import type { TokenPair } from "./token-pair.ts";

/** Credentials, and the person's name for the device. */
export interface LoginRequest {
  readonly username: string;
  readonly password: string;
  readonly device?: string | undefined;
  /** The client that signs in, as authenticated. Default: `first-party`. */
  readonly clientId?: string | undefined;
  /** Space-separated (RFC 6749 section 3.3). */
  readonly scope?: string | undefined;
  /**
   * The proof sent with it, whose key the tokens are bound to (RFC 9449 section 5). Default: they are bound to nothing.
   */
  readonly dpop?: DpopRequest | undefined;
}

/** What `issue` needs to know about a person whom the application itself has authenticated. */
export interface IssueRequest {
  /** The `sub`. Must be a Latchkey user's id, unless the `subjects` option names another source. */
  readonly subject: string;
  /** The only client that may refresh the session: a registered one's id, or a text of the application's own. Default: `first-party`. */
  readonly clientId?: string | undefined;
  readonly device?: string | undefined;
  /** Space-separated (RFC 6749 section 3.3). */
  readonly scope?: string | undefined;
  /** Authentication methods (RFC 8176). */
  readonly amr?: readonly string[] | undefined;
  /** Own claims, copied into every access token of the session. A registered claim's name is refused with a TypeError. */
  readonly claims?: Readonly<Record<string, JsonValue>> | undefined;
  /**
   * The proof sent with the sign-in, whose key the tokens are bound to (RFC 9449 section 5).
   * Default: they are bound to nothing.
   */
  readonly dpop?: DpopRequest | undefined;
}

/** The ways into a session. */
export interface SignIn {
  login(request: LoginRequest, context?: RequestContext): Promise<TokenPair>;
  issue(request: IssueRequest, context?: RequestContext): Promise<TokenPair>;
  reauthenticate(claims: AccessTokenClaims, password: string, context?: RequestContext): Promise<TokenPair>;
  /** Resolves when no sign-in waits for the store. */
  settled(): Promise<void>;
}

/** Opens sessions. Sign-ins that arrive together are committed together. */
export function createSignIn(engine: EngineParts): SignIn {
  const { options, store, accounts, proofs, emit, announceRevoked, now } = engine;
  const batch = createBatch<SessionCreation, SessionCreated>((batch) => store.createSessions(batch), {
    maxBatch: 256,
    maxWaiting: 10_000,
  });

  async function open(
    session: Session,
    person: ProofOfPerson | null,
    roles: readonly string[],
    proof: DpopProof | undefined,
    context: RequestContext,
  ): Promise<TokenPair> {
    if (proof !== undefined) proofs.use(proof);
    const result = await batch.add({
      session,
      credentialsVersion: person?.credentialsVersion ?? null,
      sessionLimit: options.sessionsPerUser,
    });
    // The user or the client was disabled, or the credentials changed, while they were being verified.
    if (!result.created)
      throw new LatchkeyError("invalid_credentials", { detail: "changed_meanwhile", subject: session.subject });
    const { id: sessionId, subject, clientId, userAgent, createdAt } = session;
    const evicted = sessionsOf(subject, result.evicted);
    await announceRevoked({ sessions: evicted, at: createdAt, why: { reason: "session_limit" } }, context);
    emit({ type: "login.succeeded", sessionId, subject, clientId, userAgent }, context);
    return engine.sign(session, session.rotation.pendingTo, roles, { fresh: true, jkt: proof?.jkt });
  }

  /**
   * What the session itself is bound to: nothing if its client is confidential, which authenticates at every refresh
   * and may change its keys (RFC 9449 section 5).
   */
  async function keyOfSession(clientId: string | undefined, proof: DpopProof | undefined): Promise<string | null> {
    if (proof === undefined) return null;
    const client = clientId !== undefined && looksLikeClientId(clientId) ? await store.findClient(clientId) : null;
    return client?.kind === "confidential" ? null : proof.jkt;
  }

  return {
    async login({ username, password, device, clientId, scope, dpop }, context = {}) {
      const proof = dpop && (await proofs.read(dpop));
      return reportingFailures(emit, context, async () => {
        const person = await accounts.authenticate({ username, password }, context.ip ?? null, context.deviceToken);
        const { user, amr } = person;
        const jkt = await keyOfSession(clientId, proof);
        const session = newSession(options, now(), user.id, { device, clientId, scope, jkt, amr }, context);
        return { ...(await open(session, person, user.roles, proof, context)), deviceToken: engine.deviceToken(user) };
      });
    },

    async issue({ subject, dpop, ...given }, context = {}) {
      if (typeof subject !== "string" || subject === "")
        throw new TypeError("issue() requires a 'subject', a non-empty string.");
      if (looksLikeClientId(subject))
        throw new TypeError("issue() opens sessions for people. For a client, use 'clients.issueToken'.");
      const details = copyDetails(given);
      const proof = dpop && (await proofs.read(dpop));
      const jkt = await keyOfSession(details.clientId, proof);
      const roles = await rolesOf(engine, subject);
      const session = newSession(options, now(), subject, { ...details, jkt }, context);
      return open(session, null, roles, proof, context);
    },

    async reauthenticate(claims, password, context = {}) {
      const sessionId = claims.sid;
      const found = await store.findSession(sessionId);
      const user = found && (await store.findUser(found.subject));
      if (user === null) throw new LatchkeyError("session_revoked");
      const person = await reportingFailures(emit, context, () => accounts.verifyPassword(user, password, sessionId));
      const generation = generationOf(claims);
      const session = await freshen(engine, sessionId, generation, person);
      emit({ type: "session.reauthenticated", sessionId, subject: session.subject }, context);
      return engine.sign(session, generation, user.roles, { fresh: true, jkt: session.jkt ?? claims.cnf?.jkt });
    },

    settled: () => batch.settled(),
  };
}

/**
 * Sets a new `auth_time` on the session, if it is still live, the credentials are still the ones that were proved, and
 * `held` is the generation to hand out again.
 */
async function freshen(
  { store, options, now }: EngineParts,
  sessionId: string,
  held: number,
  { credentialsVersion }: ProofOfPerson,
): Promise<Session> {
  let result: Session | ReturnType<typeof sessionStatus> | "replaced" = "revoked";
  await store.changeSessions([sessionId], (_, found) => {
    const at = now();
    result =
      found === null || found.user?.credentialsVersion !== credentialsVersion
        ? "revoked"
        : sessionStatus(found.session, at, options);
    if (found === null || result !== "live") return null;
    result = "replaced";
    if (generationToReissue(found.session.rotation, held) !== held) return null;
    result = { ...found.session, authTime: at };
    return { rotation: found.session.rotation, authTime: at };
  });
  const settled = result as Session | "revoked" | "expired" | "replaced";
  if (settled === "replaced") throw new LatchkeyError("access_token_replaced");
  if (typeof settled === "string")
    throw new LatchkeyError(settled === "expired" ? "session_expired" : "session_revoked");
  return settled;
}

async function rolesOf(engine: EngineParts, subject: string): Promise<readonly string[]> {
  const { options, store } = engine;
  if (options.subjects !== undefined) {
    const state = (await subjectStates(engine, [subject])).get(subject);
    if (state === undefined)
      throw new LatchkeyError("invalid_credentials", { detail: "The 'subjects' option does not know this subject." });
    return state.roles;
  }
  const user = await store.findUser(subject);
  if (user === null || user.disabledAt !== null) {
    throw new LatchkeyError("invalid_credentials", {
      detail:
        "issue() was called for a subject that is not an enabled user here. Set the 'subjects' option if your users are kept elsewhere.",
    });
  }
  return user.roles;
}
