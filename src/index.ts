export type { AccessTokenClaims, AnyAccessTokenClaims, ClientAccessTokenClaims } from "./access-token/claims.ts";
export type { DpopRequest, PresentedWith } from "./access-token/dpop-proof.ts";
export type { ImportedUser } from "./accounts/user-import.ts";
export type { AdoptionReport } from "./engine/adoption/adoption.ts";
export type { ForeignRefreshTokens, ForeignSession } from "./engine/adoption/foreign-session.ts";
export type { EventListener, LatchkeyEvent, LoginFailure, RequestContext } from "./engine/events.ts";
export type {
  ClientCredentials,
  ClientDescription,
  ClientRequest,
  Clients,
  ClientToken,
} from "./engine/groups/clients.ts";
export type { Keys } from "./engine/groups/keys.ts";
export type { Sessions } from "./engine/groups/sessions.ts";
export type { Users } from "./engine/groups/users.ts";
export type { Introspection, IntrospectRequest } from "./engine/introspect.ts";
export type { CookieOptions, IssuerOptions, ResolvedOptions, SubjectSource, SubjectState } from "./engine/options.ts";
export type { PasswordChangeRequest } from "./engine/password-change.ts";
export type { RefreshOptions } from "./engine/refresh.ts";
export type { RevokeRequest } from "./engine/revoke.ts";
export type { IssueRequest, LoginRequest } from "./engine/sign-in.ts";
export type { TokenPair } from "./engine/token-pair.ts";
export type { MetricsReading } from "./engine/upkeep/metrics.ts";
export { type Clock, type Environment, type Random, systemEnvironment } from "./environment.ts";
export { type ChallengeScheme, type ErrorCode, errorCatalogue, isLatchkeyError, LatchkeyError } from "./errors.ts";
export type { TokenLocation } from "./http/authenticate.ts";
export { sessionCookies } from "./http/cookies/session-cookies.ts";
export {
  type Admission,
  createGuard,
  type Guard,
  type GuardedRequest,
  type GuardOptions,
  type OptionalAdmission,
} from "./http/guard/guard.ts";
export type { Policy, PolicyAnswer, PolicyQuestion, Required } from "./http/guard/require-claims.ts";
export { type ConnectionInfo, createHandler, type Handler } from "./http/handler.ts";
export type { HandlerOptions, RequestEntry } from "./http/handler-options.ts";
export { createIssuer, type Issuer } from "./issuer.ts";
export type { JsonValue } from "./json.ts";
export type { Client, GrantType } from "./records/client.ts";
export type { RevocationReason, Session } from "./records/session.ts";
export type { User } from "./records/user.ts";
export type { KeyDescription } from "./signing/key-ring.ts";
export { type SigningAlgorithm, signingAlgorithms } from "./signing/signing-algorithms.ts";
export type { Store } from "./store/store.ts";
export type { UserImported } from "./store/user-store.ts";
