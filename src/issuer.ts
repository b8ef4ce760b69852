import { type AccessTokenClaims, type AnyAccessTokenClaims, ofPerson } from "./access-token/claims.ts";
import type { PresentedWith } from "./access-token/dpop-proof.ts";
import { createDpopProofs } from "./access-token/used-dpop-proofs.ts";
import { createAccounts } from "./accounts/accounts.ts";
import { createKnownUsernames } from "./accounts/known-usernames.ts";
import { createPasswordPolicy } from "./accounts/password-policy.ts";
import { createPasswords } from "./accounts/passwords.ts";
import { createThrottle } from "./accounts/throttle.ts";
import { canonicalUsername, usernameProblem } from "./accounts/usernames.ts";
import { type Adoption, createAdoption } from "./engine/adoption/adoption.ts";
import { createAnnounceRevoked } from "./engine/announce-revoked.ts";
import type { EngineParts, SigningDetails } from "./engine/engine.ts";
import { createEmit, type RequestContext } from "./engine/events.ts";
import { type Clients, createClients } from "./engine/groups/clients.ts";
import { createUsers, type Users } from "./engine/groups/users.ts";
import { createIntrospect, type Introspection, type IntrospectRequest } from "./engine/introspect.ts";
import { type IssuerOptions, type ResolvedOptions, resolveOptions } from "./engine/options.ts";
import { createRefresh, type RefreshOptions } from "./engine/refresh.ts";
import { createRevoke, type Revoke } from "./engine/revoke.ts";
import { createSignIn, type SignIn } from "./engine/sign-in.ts";
import { createThrottles, type Throttles } from "./engine/throttling/throttles.ts";
import type { TokenPair } from "./engine/token-pair.ts";
import { watchClock } from "./engine/upkeep/clock-watch.ts";
import { createMetrics, type Metrics } from "./engine/upkeep/metrics.ts";
import { watchStalls } from "./engine/upkeep/stall-watch.ts";
import { createSweeper } from "./engine/upkeep/sweeper.ts";
import { LatchkeyError } from "./errors.ts";
import {
  lastUseShown,
  type Session,
  sessionEnd,
  sessionEndAfter,
  sessionEndShown,
  sessionStatus,
} from "./records/session.ts";
import type { User } from "./records/user.ts";
import { createRevocationFeed, type RevocationFeed } from "./revocations/feed.ts";
import { loadRevocations } from "./revocations/known-revocations.ts";
import { createReplacedAccessTokens, nothingIsReplaced } from "./revocations/replaced-access-tokens.ts";
import { createCsrfToken, isCsrfToken } from "./secrets/csrf-token.ts";
import { createDeviceToken, recognisedDevice } from "./secrets/device-token.ts";
import { createDpopNonce, isDpopNonce } from "./secrets/dpop-nonce.ts";
import { deriveRefreshToken, parseRefreshToken } from "./secrets/refresh-token.ts";
import { deriveRootKeys } from "./secrets/root-secret.ts";
import { openAccessLifetimes } from "./signing/access-lifetimes.ts";
import { type KeyDescription, openKeyRing } from "./signing/key-ring.ts";
import { createAccessTokens } from "./signing/sign-access-token.ts";

/** Twice within the second in which a revocation has to be known, for what a store cannot tell or a lost connection missed. */
const REVOCATION_POLL_MS = 500;
const KEY_RELOAD_MS = 10_000;
const CLOCK_WATCH_MS = 60_000;
/** Half of what is promised of it, so that one that fails can be made up for. */
const KEEP_LIFETIME_MS = 60_000;

/** The engine: everything Latchkey does, without HTTP. */
export interface Issuer {
  readonly options: ResolvedOptions;
  /** Verifies a username and a password and opens a session. Throws `invalid_credentials`, `too_many_requests`, `server_busy`. */
  login: SignIn["login"];
  /** Opens a session for somebody whom the application has authenticated by its own means. */
  issue: SignIn["issue"];
  /** Proves the password again inside a session: a pair with a fresh `auth_time`. */
  reauthenticate: SignIn["reauthenticate"];
  /**
   * Exchanges a refresh token for a new pair. A racing twin and a retry get the same successor; a token that had been
   * replaced for good ends the session. The token of another client than the options name is refused like an unknown one.
   * The token of a session that is bound to a key needs a proof by that key, and without one changes nothing.
   * Throws `invalid_refresh_token`, `invalid_dpop_proof`, `use_dpop_nonce`, `refresh_token_reused`, `session_revoked`,
   * `session_expired`, `wrong_token_type`, `too_many_requests`, and `store_unavailable`, after which the token stays good.
   */
  refresh(refreshToken: string, context?: RequestContext, options?: RefreshOptions): Promise<TokenPair>;
  /**
   * Verifies a person's access token against this issuer's keys, audience and revocations; no database is read.
   * Throws `invalid_access_token`, `access_token_expired` (also for one that has been replaced), `session_revoked`, `wrong_token_type`,
   * and `invalid_dpop_proof` or `use_dpop_nonce` for the proof. One that is bound to a key is good only with a proof by it.
   */
  verify(accessToken: string, presented?: PresentedWith): Promise<AccessTokenClaims>;
  /** The same, and takes a client's own access token as well: for what goes by scope and not by who somebody is. */
  verifyAny(accessToken: string, presented?: PresentedWith): Promise<AnyAccessTokenClaims>;
  /**
   * The claims of an access token that has been verified before, where it is certain at once that it is as good as then.
   * `undefined` is no refusal: then ask `verifyAny`. No input or output.
   */
  verifyRemembered(accessToken: string): AnyAccessTokenClaims | undefined;
  /** The nonce for DPoP proofs, which goes into the header `DPoP-Nonce` (RFC 9449 section 8); `undefined` where none is asked for. */
  dpopNonce(): string | undefined;
  /** What there is to say of an access or a refresh token (RFC 7662), from the store. A refresh token is not used up by it. */
  introspect(token: string, request?: IntrospectRequest): Promise<Introspection>;
  /** The CSRF token of a session, for pages that cookies authenticate. */
  csrfToken(sessionId: string): string;
  /** Whether the CSRF token is the session's. Compared in constant time. */
  isCsrfToken(sessionId: string, token: string): boolean;
  /**
   * A token by which the device that has just signed in to the account is recognised: handed back as
   * `RequestContext.deviceToken`, it keeps strangers' failed logins from blocking that device. Good for 400 days, for that
   * account alone, and for nothing else.
   * account and until its password changes, and for nothing else. `login` returns one with the pair.
   * @throws LatchkeyError `not_found` where there is no such user.
   */
  deviceToken(username: string): Promise<string>;
  /**
   * The session that a refresh token names. Its MAC is not checked here: this proves nothing.
   * @throws LatchkeyError `invalid_refresh_token`.
   */
  sessionOf(refreshToken: string): string;
  /**
   * The session that whoever holds this access token may end: one that has expired or been replaced proves as much as ever whose
   * it was. Throws `session_revoked` where it has ended, and otherwise what `verify` does.
   */
  sessionToEnd(accessToken: string): Promise<string>;
  /**
   * Adopts sessions that another system has opened, ahead of their next refresh: with it they are listed, and a logout everywhere,
   * a new password or a disabled user ends them too. Done again, it leaves what is there as it is. Their refresh tokens are
   * accepted where the option `foreignRefreshTokens` knows them. Throws a TypeError for what is no such session; those before it
   * stay adopted.
   */
  adoptSessions: Adoption["adoptSessions"];
  logout: Revoke["logout"];
  revoke: Revoke["revoke"];
  logoutAll: Revoke["logoutAll"];
  revokeSession: Revoke["revokeSession"];
  revokeEverySession: Revoke["revokeEverySession"];
  /** The subject's live sessions, newest first, at most `limit` of them. Default: 1,000. */
  listSessions(subject: string, limit?: number): Promise<readonly Session[]>;
  /**
   * When a session ends if it is not refreshed before, in milliseconds since the Unix epoch. Exact, so for nobody who may hold a copy
   * of its tokens: show people {@link Issuer.timesShown}.
   */
  sessionEnd(session: Session): number;
  /** When a session was last used and when it ends, as both stood at the last full hour, in milliseconds since the Unix epoch. */
  timesShown(session: Session): { readonly lastUsedAt: number; readonly expiresAt: number };
  /** The public signing keys (RFC 7517), those that are about to sign and those that no longer do included. */
  jwks(): ReturnType<EngineParts["keys"]["jwks"]>;
  /** The signing keys, as an operator may see them. */
  listKeys(): readonly KeyDescription[];
  /** Makes the next signing key current. Refused while verifiers may not have it yet, unless forced. */
  rotateKeys(request?: { readonly force?: boolean }): Promise<KeyDescription>;
  /**
   * Removes a signing key at once, for one that has leaked, and describes it. The access tokens that it has signed are refused: here
   * from now on, by other processes within ten seconds, and by verifiers once their copy of the JWKS has expired. Sessions stay:
   * the next refresh is signed with another key. Where it was the current key, the next one signs from now on.
   * @throws LatchkeyError `not_found`.
   */
  removeKey(kid: string): Promise<KeyDescription>;
  readonly users: Users;
  /** The limits on attempts that hold now, and a way to lift them. */
  readonly throttles: Throttles;
  /** The programs that ask for tokens at `/token`. */
  readonly clients: Clients;
  /** What has happened since the start, and what the store holds now. */
  metrics(): ReturnType<Metrics["read"]>;
  /** Resolves when the store answers and can be written. */
  check(): Promise<void>;
  /**
   * What has been revoked, told to services that verify access tokens elsewhere. To be closed before an HTTP server that
   * waits for its open connections; `close` does it too.
   */
  readonly revocationFeed: RevocationFeed;
  /** Waits for what is in flight, stops the timers and closes the store. */
  close(): Promise<void>;
}

/**
 * Opens an issuer on a store.
 * @throws TypeError naming every option that is missing, unknown or wrong.
 * @throws LatchkeyError `store_unavailable` or `store_unusable` when the store does not let it start.
 */
export async function createIssuer(given: IssuerOptions): Promise<Issuer> {
  const options = resolveOptions(given);
  const { store, environment } = options;
  const now = () => environment.clock.now();
  const rootKeys = deriveRootKeys(options.secret, options.previousSecret);
  const metrics = createMetrics(store, now);
  const usernames = createKnownUsernames(store, options.subjects === undefined);
  const listeners = options.onEvent === undefined ? [metrics.count] : [metrics.count, options.onEvent];
  const emit = createEmit(now, listeners, usernames.of);

  // First of all: by them it is decided which keys and revocations still matter.
  const lifetimes = await openAccessLifetimes({ ...options, now });
  const keys = await openKeyRing({
    ...options,
    rootKeys,
    lifetimes,
    onRotated: (kid) => emit({ type: "signing_key.rotated", kid }, {}),
    onRemoved: (kid) => emit({ type: "signing_key.removed", kid }, {}),
  });
  const asksForNonce = options.dpopNonce === "required";
  const proofs = createDpopProofs({
    clock: environment.clock,
    isNonce: asksForNonce ? (nonce) => isDpopNonce(rootKeys, nonce, now()) : undefined,
  });
  const accessTokens = createAccessTokens({ ...options, keys, proofs, beforeSigning: lifetimes.keepIfStale });
  const throttle = createThrottle({
    ...options,
    maxKeys: options.throttleMaxKeys,
    clock: environment.clock,
    counts: store.attempts,
  });
  const policy = createPasswordPolicy({ ...options, contextWords: [new URL(options.issuer).hostname] });
  const accounts = createAccounts({
    ...options,
    throttle,
    policy,
    passwords: createPasswords({ ...options, random: environment.random }),
    onMet: usernames.meet,
    recognisedDevice: (account, deviceToken) => recognisedDevice(rootKeys, account, deviceToken, now()),
  });
  const revocations = await loadRevocations(store, now, lifetimes);
  const revocationFeed = createRevocationFeed(revocations, now);
  const replaced = options.revokeReplacedAccessTokens
    ? createReplacedAccessTokens(store, now, lifetimes.rememberMs)
    : nothingIsReplaced;

  const sweeper = createSweeper({
    store,
    now,
    async rememberMs() {
      await lifetimes.read();
      return lifetimes.rememberMs();
    },
  });
  const toleranceMs = Math.max(options.leewaySeconds, 1) * 1000;
  const compareClocks = () => watchClock({ store, now, emit, toleranceMs });
  await compareClocks();

  const stalls = watchStalls(environment);
  const engine: EngineParts = {
    options,
    store,
    rootKeys,
    keys,
    accessTokens,
    accounts,
    throttle,
    proofs,
    replaced,
    stalls,
    usernames,
    emit,
    announceRevoked: createAnnounceRevoked({ revocations, usernames, emit }),
    deviceToken,
    now,
    sign,
  };
  const signIn = createSignIn(engine);
  const adoption = createAdoption(engine);
  const { refresh, batch } = createRefresh(engine, adoption);
  const revoke = createRevoke(engine, adoption);

  function deviceToken({ canonicalUsername: account, credentialsVersion }: User): string {
    return createDeviceToken(rootKeys.current, { account, credentialsVersion, random: environment.random, now: now() });
  }

  async function sign(
    session: Session,
    generation: number,
    roles: readonly string[],
    { fresh = false, jkt, isRefresh = false }: SigningDetails = {},
  ): Promise<TokenPair> {
    const at = now();
    // A repeated answer says the same as the first: when that was is nobody's to learn.
    const endsAt = isRefresh ? sessionEndAfter(session, at, options) : sessionEndShown(session, at, options);
    const { token, expiresInSeconds } = await accessTokens.sign({ session, generation, roles, fresh, jkt, now: at });
    return {
      accessToken: token,
      tokenType: jkt === undefined ? "Bearer" : "DPoP",
      expiresInSeconds,
      refreshToken: deriveRefreshToken(rootKeys.current, session, generation),
      refreshExpiresInSeconds: Math.max(0, Math.ceil((endsAt - at) / 1000)),
      sessionId: session.id,
      scope: session.scope,
    };
  }

  async function inForce(claims: AnyAccessTokenClaims): Promise<AnyAccessTokenClaims> {
    const isRevoked = revocations.covers(claims);
    if (claims.sid === undefined) {
      if (isRevoked) throw new LatchkeyError("invalid_access_token", { description: "The client has been disabled." });
      return claims;
    }
    if (isRevoked) throw new LatchkeyError("session_revoked");
    // Its holder learns no more than by its age. Their next refresh shows whether they have replaced it themselves.
    if (await replaced.includes(claims)) throw new LatchkeyError("access_token_expired");
    return claims;
  }

  async function verifyAny(accessToken: string, presented?: PresentedWith): Promise<AnyAccessTokenClaims> {
    return inForce(await accessTokens.verify(accessToken, presented));
  }

  // What fails is tried again at the next tick; meanwhile this process's own revocations hold.
  const timers = [
    setInterval(() => revocations.poll().catch(() => {}), REVOCATION_POLL_MS),
    setInterval(() => keys.reload().catch(() => {}), KEY_RELOAD_MS),
    setInterval(() => compareClocks().catch(() => {}), CLOCK_WATCH_MS),
    setInterval(() => lifetimes.keep().catch(() => {}), KEEP_LIFETIME_MS),
  ];
  if (options.sweepIntervalSeconds > 0) {
    timers.push(setInterval(() => sweeper.run().catch(() => {}), options.sweepIntervalSeconds * 1000));
  }
  for (const timer of timers) timer.unref();
  const stopListening = store.onRevocation?.(() => revocations.poll().catch(() => {}));
  const stopMinding = store.onDegraded?.((detail) => emit({ type: "store.degraded", detail }, {}));

  return Object.freeze<Issuer>({
    options,
    login: signIn.login,
    issue: signIn.issue,
    reauthenticate: signIn.reauthenticate,
    refresh: (refreshToken, context = {}, refreshOptions = {}) => refresh(refreshToken, context, refreshOptions),
    verify: async (accessToken, presented) => ofPerson(await verifyAny(accessToken, presented)),
    verifyAny,
    verifyRemembered(accessToken) {
      const claims = accessTokens.readCached(accessToken);
      // What is bound to a key, revoked or replaced, `verifyAny` has to look at, or to refuse.
      if (claims === undefined || claims.cnf !== undefined || revocations.covers(claims)) return undefined;
      return claims.sid === undefined || replaced.includes(claims) === false ? claims : undefined;
    },
    dpopNonce: () => (asksForNonce ? createDpopNonce(rootKeys.current, now()) : undefined),
    // Whoever asks is told what the token is bound to, and has the proof to look at (RFC 9449 section 6.2).
    introspect: createIntrospect(engine, async (accessToken) => inForce(await accessTokens.read(accessToken))),
    csrfToken: (sessionId) => createCsrfToken(rootKeys.current, sessionId),
    async deviceToken(username) {
      const user =
        usernameProblem(username) === undefined ? await store.findUserByUsername(canonicalUsername(username)) : null;
      if (user === null) throw new LatchkeyError("not_found");
      return deviceToken(user);
    },
    isCsrfToken: (sessionId, token) => isCsrfToken(rootKeys, sessionId, token),
    sessionOf(refreshToken) {
      const presented = parseRefreshToken(refreshToken, rootKeys);
      if (presented === undefined) throw new LatchkeyError("invalid_refresh_token");
      return presented.sessionId;
    },
    adoptSessions: adoption.adoptSessions,
    async sessionToEnd(accessToken) {
      const claims = ofPerson(await accessTokens.read(accessToken, { acceptExpired: true }));
      if (revocations.covers(claims)) throw new LatchkeyError("session_revoked");
      return claims.sid;
    },
    logout: revoke.logout,
    revoke: revoke.revoke,
    logoutAll: revoke.logoutAll,
    revokeSession: revoke.revokeSession,
    revokeEverySession: revoke.revokeEverySession,
    async listSessions(subject, limit) {
      const at = now();
      return (await store.listSessions(subject, at, limit)).filter(
        (session) => sessionStatus(session, at, options) === "live",
      );
    },
    sessionEnd: (session) => sessionEnd(session, options),
    timesShown: (session) => ({
      lastUsedAt: lastUseShown(session, now()),
      expiresAt: sessionEndShown(session, now(), options),
    }),
    jwks: () => keys.jwks(),
    listKeys: () => keys.list(),
    rotateKeys: (request) => keys.rotate(request),
    removeKey: (kid) => keys.remove(kid),
    users: createUsers(engine),
    throttles: createThrottles(engine),
    clients: createClients(engine),
    metrics: () => metrics.read(),
    check: () => store.check(),
    revocationFeed,
    async close() {
      for (const timer of timers) clearInterval(timer);
      stalls.stop();
      stopListening?.();
      stopMinding?.();
      revocationFeed.close();
      await Promise.all([signIn.settled(), adoption.settled(), batch.settled(), sweeper.stop()]);
      await store.close();
    },
  });
}
