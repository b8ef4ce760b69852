export type { AccessTokenClaims, AnyAccessTokenClaims, ClientAccessTokenClaims } from "./access-token-claims.ts";
export type { ImportedUser } from "./accounts/user-import.ts";
export type { AdoptionReport } from "./adoption.ts";
export type { ClientCredentials, ClientDescription, ClientRequest, Clients, ClientToken } from "./clients.ts";
export type { DpopRequest, PresentedWith } from "./dpop-proof.ts";
export { type Clock, type Environment, type Random, systemEnvironment } from "./environment.ts";
export { type ChallengeScheme, type ErrorCode, errorCatalogue, isLatchkeyError, LatchkeyError } from "./errors.ts";
export type { EventListener, LatchkeyEvent, LoginFailure, RequestContext } from "./events.ts";
export type { ForeignRefreshTokens, ForeignSession } from "./foreign-session.ts";
export type { TokenLocation } from "./http/authenticate.ts";
export {
  type Admission,
  createGuard,
  type Guard,
  type GuardedRequest,
  type GuardOptions,
  type OptionalAdmission,
} from "./http/guard.ts";
export { type ConnectionInfo, createHandler, type Handler } from "./http/handler.ts";
export type { HandlerOptions, RequestEntry } from "./http/handler-options.ts";
export type { Policy, PolicyAnswer, PolicyQuestion, Required } from "./http/requirements.ts";
export { sessionCookies } from "./http/session-cookies.ts";
export type { Introspection, IntrospectRequest } from "./introspect.ts";
export { createIssuer, type Issuer } from "./issuer.ts";
export type { KeyDescription } from "./keys.ts";
export type { MetricsReading } from "./metrics.ts";
export type { CookieOptions, IssuerOptions, ResolvedOptions, SubjectSource, SubjectState } from "./options.ts";
export type { PasswordChangeRequest } from "./password-change.ts";
export type { RefreshOptions } from "./refresh.ts";
export type { RevokeRequest } from "./revoke.ts";
export type { RevocationReason, Session } from "./session.ts";
export type { IssueRequest, LoginRequest } from "./sign-in.ts";
export { type SigningAlgorithm, signingAlgorithms } from "./signing-algorithms.ts";
export type { Client, GrantType, Store, User, UserImported } from "./store/store.ts";
export type { JsonValue } from "./strict-json.ts";
export type { TokenPair } from "./token-pair.ts";
export type { Users } from "./users.ts";
