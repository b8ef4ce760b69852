import type { AccessTokenClaims, AnyAccessTokenClaims } from "../access-token/claims.ts";
import type { PresentedWith } from "../access-token/dpop-proof.ts";
import type { RevocationFeed } from "../revocations/feed.ts";
import type { RequestContext } from "./events.ts";
import type { Clients } from "./groups/clients.ts";
import type { Keys } from "./groups/keys.ts";
import type { OldNames } from "./groups/old-names.ts";
import type { Sessions } from "./groups/sessions.ts";
import type { Users } from "./groups/users.ts";
import type { Introspection, IntrospectRequest } from "./introspect.ts";
import type { ResolvedOptions } from "./options.ts";
import type { RefreshOptions } from "./refresh.ts";
import type { Revoke } from "./revoke.ts";
import type { SignIn } from "./sign-in.ts";
import type { Throttles } from "./throttling/throttles.ts";
import type { TokenPair } from "./token-pair.ts";
import type { Metrics } from "./upkeep/metrics.ts";

/** The engine: everything Latchkey does, without HTTP. */
export interface Issuer extends OldNames {
  readonly options: ResolvedOptions;
  /** The origin of the issuer's URL (RFC 6454), which serves its own pages. */
  readonly origin: string;
  /** Verifies a username and a password and opens a session. Throws `invalid_credentials`, `too_many_requests`, `server_busy`. */
  login: SignIn["login"];
  /** Opens a session for a person whom the application itself has authenticated. */
  issue: SignIn["issue"];
  /** Verifies the password again within a session, and returns a pair with a fresh `auth_time`. */
  reauthenticate: SignIn["reauthenticate"];
  /**
   * Exchanges a refresh token for a new pair. A racing twin and a retry get the same successor; a token that had been
   * replaced for good ends the session. A token of a client other than the one the options name is refused like an
   * unknown token. The token of a session that is bound to a key requires a proof by that key; without one, nothing
   * changes. Throws `invalid_refresh_token`, `invalid_dpop_proof`, `use_dpop_nonce`, `refresh_token_reused`,
   * `session_revoked`, `session_expired`, `wrong_token_type`, `too_many_requests`, and `store_unavailable`, after which
   * the token stays valid.
   */
  refresh(refreshToken: string, context?: RequestContext, options?: RefreshOptions): Promise<TokenPair>;
  /**
   * Verifies a person's access token against this issuer's keys, audience and revocations, without reading a database.
   * Throws `invalid_access_token`, `access_token_expired` (also for one that has been replaced), `session_revoked`,
   * `wrong_token_type`, and `invalid_dpop_proof` or `use_dpop_nonce` for the proof. A token that is bound to a key is
   * valid only with a proof by that key.
   */
  verify(accessToken: string, presented?: PresentedWith): Promise<AccessTokenClaims>;
  /** The same, but also accepts a client's own access token: for endpoints that check the scope and not the person. */
  verifyAny(accessToken: string, presented?: PresentedWith): Promise<AnyAccessTokenClaims>;
  /**
   * The claims of an access token that has been verified before, if it is certain at once that it is still valid.
   * `undefined` is not a refusal: call `verifyAny` then. Performs no I/O.
   */
  verifyRemembered(accessToken: string): AnyAccessTokenClaims | undefined;
  /** The nonce for DPoP proofs, for the header `DPoP-Nonce` (RFC 9449 section 8); `undefined` if none is required. */
  dpopNonce(): string | undefined;
  /** Introspects an access or a refresh token (RFC 7662), from the store. It does not use up a refresh token. */
  introspect(token: string, request?: IntrospectRequest): Promise<Introspection>;
  /** The CSRF token of a session, for pages that are authenticated by cookies. */
  csrfToken(sessionId: string): string;
  /** Whether the CSRF token belongs to the session. Compared in constant time. */
  isCsrfToken(sessionId: string, token: string): boolean;
  /**
   * Ends the session of a refresh or an access token. Idempotent. Resolves to whether the token is known, even if its
   * session has already ended.
   */
  logout: Revoke["logout"];
  /** Ends every session of the subject except `exceptId`, and returns how many. */
  logoutAll: Revoke["logoutAll"];
  /**
   * Revokes a token on behalf of a client (RFC 7009): either kind ends the session. An unknown token changes nothing.
   * Throws `unauthorized_client` for the token of another client, `unsupported_token_type` for a client's own access token.
   */
  revoke: Revoke["revoke"];
  /** The sessions of people: list, revoke, adopt. */
  readonly sessions: Sessions;
  /** The keys that sign access tokens: publish, list, rotate. */
  readonly keys: Keys;
  /** Latchkey's own users: create, disable, change a password. */
  readonly users: Users;
  /** The limits on attempts that apply now, and a way to lift them. */
  readonly throttles: Throttles;
  /** The programs that request tokens at `/token`. */
  readonly clients: Clients;
  /** What has happened since the start, and what the store contains now. */
  metrics(): ReturnType<Metrics["read"]>;
  /** Resolves when the store responds and can be written. */
  check(): Promise<void>;
  /**
   * The feed of revocations, for services that verify access tokens elsewhere. Close it before an HTTP server that
   * waits for its open connections; `close` does this too.
   */
  readonly revocationFeed: RevocationFeed;
  /** Waits for the acts in flight, stops the timers and closes the store. */
  close(): Promise<void>;
}
