import { createDpopProofs } from "./access-token/used-dpop-proofs.ts";
import { createAccounts } from "./accounts/accounts.ts";
import { createKnownUsernames } from "./accounts/known-usernames.ts";
import { createPasswordPolicy } from "./accounts/password-policy.ts";
import { createPasswords } from "./accounts/passwords.ts";
import { createThrottle } from "./accounts/throttle.ts";
import { createAdoption } from "./engine/adoption/adoption.ts";
import { createAnnounceRevoked } from "./engine/announce-revoked.ts";
import type { EngineParts } from "./engine/engine.ts";
import { createEmit } from "./engine/events.ts";
import { createClients } from "./engine/groups/clients.ts";
import { createKeys } from "./engine/groups/keys.ts";
import { oldNames } from "./engine/groups/old-names.ts";
import { createSessions } from "./engine/groups/sessions.ts";
import { createUsers } from "./engine/groups/users.ts";
import { createIntrospect } from "./engine/introspect.ts";
import type { Issuer } from "./engine/issuer-members.ts";
import { type IssuerOptions, resolveOptions } from "./engine/options.ts";
import { createRefresh } from "./engine/refresh.ts";
import { createRevoke } from "./engine/revoke.ts";
import { createSignIn } from "./engine/sign-in.ts";
import { createSignPair } from "./engine/sign-pair.ts";
import { createThrottles } from "./engine/throttling/throttles.ts";
import { watchClock } from "./engine/upkeep/clock-watch.ts";
import { createMetrics } from "./engine/upkeep/metrics.ts";
import { watchStalls } from "./engine/upkeep/stall-watch.ts";
import { createSweeper } from "./engine/upkeep/sweeper.ts";
import { startTimers } from "./engine/upkeep/timers.ts";
import { createVerification } from "./engine/verification.ts";
import { createRevocationFeed } from "./revocations/feed.ts";
import { loadRevocations } from "./revocations/known-revocations.ts";
import { createReplacedAccessTokens, nothingIsReplaced } from "./revocations/replaced-access-tokens.ts";
import { createCsrfToken, isCsrfToken } from "./secrets/csrf-token.ts";
import { createDeviceToken, recognisedDevice } from "./secrets/device-token.ts";
import { createDpopNonce, isDpopNonce } from "./secrets/dpop-nonce.ts";
import { deriveRootKeys } from "./secrets/root-secret.ts";
import { openAccessLifetimes } from "./signing/access-lifetimes.ts";
import { openKeyRing } from "./signing/key-ring.ts";
import { createAccessTokens } from "./signing/sign-access-token.ts";

export type { Issuer } from "./engine/issuer-members.ts";

/**
 * Opens an issuer on a store.
 * @throws TypeError naming every option that is missing, unknown or wrong.
 * @throws LatchkeyError `store_unavailable` or `store_unusable` when the store does not let it start.
 * @example
 * ```ts
 * import { createIssuer } from "latchkey";
 * import { createSqliteStore } from "latchkey/sqlite";
 *
 * const issuer = await createIssuer({
 *   issuer: "https://auth.example.com",
 *   secret: process.env.LATCHKEY_SECRET!,
 *   store: await createSqliteStore("app.db"),
 * });
 * const pair = await issuer.login({ username: "ada", password: "correct horse battery staple" });
 * const next = await issuer.refresh(pair.refreshToken);
 * const claims = await issuer.verify(next.accessToken);
 * ```
 */
export async function createIssuer(given: IssuerOptions): Promise<Issuer> {
  const options = resolveOptions(given);
  const issuerUrl = new URL(options.issuer);
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
    counts: store.sharesAttempts ? store : undefined,
  });
  const policy = createPasswordPolicy({ ...options, contextWords: [issuerUrl.hostname] });
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
  const verification = createVerification({ accessTokens, revocations, replaced });
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
    deviceToken: ({ canonicalUsername: account, credentialsVersion }) =>
      createDeviceToken(rootKeys.current, { account, credentialsVersion, random: environment.random, now: now() }),
    now,
    sign: createSignPair({ options, rootKeys, accessTokens, now }),
  };
  const signIn = createSignIn(engine);
  const adoption = createAdoption(engine);
  const { refresh, batch } = createRefresh(engine, adoption);
  const revoke = createRevoke(engine, adoption);

  const stopTimers = startTimers({ ...options, emit, revocations, keys, lifetimes, sweeper, compareClocks });

  const groups = {
    sessions: createSessions(engine, { revoke, adoption, verification }),
    keys: createKeys(keys),
    users: createUsers(engine),
  };
  return Object.freeze<Issuer>({
    options,
    origin: issuerUrl.origin,
    login: signIn.login,
    issue: signIn.issue,
    reauthenticate: signIn.reauthenticate,
    refresh: (refreshToken, context = {}, refreshOptions = {}) => refresh(refreshToken, context, refreshOptions),
    verify: verification.verify,
    verifyAny: verification.verifyAny,
    verifyRemembered: verification.verifyRemembered,
    dpopNonce: () => (asksForNonce ? createDpopNonce(rootKeys.current, now()) : undefined),
    // The caller learns what the token is bound to, and has the proof to look at (RFC 9449 section 6.2).
    introspect: createIntrospect(engine, verification.readAny),
    csrfToken: (sessionId) => createCsrfToken(rootKeys.current, sessionId),
    isCsrfToken: (sessionId, token) => isCsrfToken(rootKeys, sessionId, token),
    logout: revoke.logout,
    logoutAll: revoke.logoutAll,
    revoke: revoke.revoke,
    ...groups,
    ...oldNames(groups),
    throttles: createThrottles(engine),
    clients: createClients(engine),
    metrics: () => metrics.read(),
    check: () => store.check(),
    revocationFeed,
    async close() {
      stopTimers();
      stalls.stop();
      revocationFeed.close();
      await Promise.all([signIn.settled(), adoption.settled(), batch.settled(), sweeper.stop()]);
      await store.close();
    },
  });
}
