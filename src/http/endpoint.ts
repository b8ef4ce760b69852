import type { z } from "@hono/zod-openapi";
import type { AccessTokenClaims, AnyAccessTokenClaims } from "../access-token/claims.ts";
import type { RequestContext } from "../engine/events.ts";
import type { TokenPair } from "../engine/token-pair.ts";
import type { ErrorCode } from "../errors.ts";
import type { Issuer } from "../issuer.ts";
import type { AuthenticationTerms } from "./authenticate.ts";
import type { SessionCookies } from "./cookies/cookies.ts";
import type { ErrorStyle } from "./error-response.ts";
import type { ResolvedHandlerOptions } from "./handler-options.ts";
import type { BodyRule } from "./request/body.ts";
import type { QueryRule } from "./request/query.ts";
import type { HeaderFields, Responder } from "./respond.ts";

/**
 * Who may call an endpoint. Every endpoint declares it; there is no default.
 * - `public`: anyone.
 * - `credentials`: anyone, but the body contains a credential that the endpoint itself checks.
 * - `access_token`: a person with a valid access token.
 * - `admin`: the same, for a subject with the role `admin`.
 * - `scope:…`: any caller with a valid access token of that scope, a person's or a client's own.
 */
export type Access = "public" | "credentials" | "access_token" | "admin" | `scope:${string}`;

/** Whether it requires a valid access token. */
export function takesAccessToken(access: Access): boolean {
  return access !== "public" && access !== "credentials";
}

/** The scope that it requires, if it requires one. */
export function scopeOf(access: Access): string | undefined {
  return access.startsWith("scope:") ? access.slice("scope:".length) : undefined;
}

/** Whether the cookies of a session can authenticate a request to it; an unsafe one then requires CSRF proof. */
export function takesCookies({ access, cookies }: Pick<Endpoint, "access" | "cookies">): boolean {
  return cookies === true || (takesAccessToken(access) && scopeOf(access) === undefined);
}

/** Whether a DPoP proof may be part of a request to it. */
export function takesProof({ access, dpop }: Pick<Endpoint, "access" | "dpop">): boolean {
  return dpop === "binds" || (takesAccessToken(access) && dpop !== "refused");
}

/** Whether the caller chooses how the response transports the tokens. */
export function letsChooseTransport({ body }: Pick<Endpoint, "body">): boolean {
  return body !== undefined && "transport" in body.schema.shape;
}

/** What an endpoint's `handle` receives. */
export interface Call<Auth, Body, Query = undefined> {
  readonly issuer: Issuer;
  readonly options: ResolvedHandlerOptions;
  readonly respond: Responder;
  readonly cookies: SessionCookies;
  readonly request: Request;
  readonly body: Body;
  readonly query: Query;
  readonly auth: Auth;
  /** Whether `auth` comes from the cookies. */
  readonly byCookie: boolean;
  /** Where the request comes from, for events and throttling. */
  readonly origin: RequestContext;
  /** The pair of an implicit refresh, whose cookies the response will set. */
  readonly renewed: TokenPair | undefined;
  /** The OpenAPI document of the whole route table, as JSON. */
  readonly openApi: () => string;
  /** The path parameter with that name. */
  readonly param: (name: string) => string;
}

/** The chapters of the OpenAPI document, in order. */
export const tags = {
  "Sign in": "Register, log in, confirm the password again, change it.",
  Sessions: "Refresh, log out, list and end sessions, and follow which have been revoked.",
  "OAuth 2.0": "For OAuth clients and their libraries.",
  Administration: "For administrators, and the page that creates the first one.",
  Discovery: "The public keys and the metadata, for services that verify access tokens.",
  Operation: "Health, and this description.",
} as const;
type Tag = keyof typeof tags;

/** One row of the route table: routing, access, validation and documentation in one place. */
export interface Endpoint {
  readonly method: "get" | "post" | "delete";
  /** With parameters in braces, as OpenAPI writes them. */
  readonly path: string;
  /** Further paths of the same endpoint, from the path of the issuer, which is empty if it has none. */
  readonly aliases?: (issuerPath: string) => readonly string[];
  readonly access: Access;
  /** Whether pages of every origin may read it, since all of its content is public. Default: only allowed ones may. */
  readonly anyOrigin?: true;
  /** Whether an OAuth client may or must authenticate here (RFC 6749 section 2.3). Default: it has no way to. */
  readonly client?: "optional" | "required";
  /** Whether the cookies may replace the credential that the body would contain. Default: they say nothing there. */
  readonly cookies?: true;
  /**
   * What a DPoP proof does: it binds the tokens in the response, or is not allowed. Default: it goes with an access
   * token that is bound to its key, where the route takes one, and says nothing elsewhere.
   */
  readonly dpop?: "binds" | "refused";
  /**
   * Whether an access token in a header is accepted in addition, with a 401 response if it is invalid.
   * Default: it says nothing there.
   */
  readonly optionalAccessToken?: true;
  /** The headers of every response, errors included. */
  readonly headers?: HeaderFields;
  readonly tag: Tag;
  readonly summary: string;
  readonly description: string;
  readonly body?: BodyRule;
  /** The parameters of its query string. A route without any ignores the query string. */
  readonly query?: QueryRule;
  readonly success: {
    readonly status: 200 | 201 | 204;
    readonly description: string;
    readonly schema?: z.ZodType;
    readonly contentType?: string;
  };
  /** Whether it answers 304 to a client that already has the content (RFC 9110 section 15.4.5). Default: never. */
  readonly notModified?: true;
  /** The error codes in addition to those that follow from access and body. */
  readonly errors?: readonly ErrorCode[];
  readonly errorStyle?: ErrorStyle;
  /** Whether success ends the caller's session, so that its cookies are deleted and none are renewed. */
  readonly endsSession?: true;
  /** How a request authenticates, if that depends on another request that it describes. */
  readonly terms?: (request: Request) => Pick<AuthenticationTerms, "methods" | "clients">;
  readonly handle: (call: Call<AccessTokenClaims | undefined, never, never>) => Response | Promise<Response>;
}

type AuthOf<Kind extends Access> = Kind extends "access_token" | "admin"
  ? AccessTokenClaims
  : Kind extends `scope:${string}`
    ? AnyAccessTokenClaims
    : undefined;
type BodyOf<Rule> = Rule extends { readonly schema: infer Schema extends z.ZodType }
  ? Rule extends { readonly optional: true }
    ? z.output<Schema> | undefined
    : z.output<Schema>
  : undefined;

type QueryOf<Rule> = Rule extends QueryRule ? z.output<Rule> : undefined;

/** Declares an endpoint; `handle` receives the types that follow from access and body. */
export function endpoint<
  const Kind extends Access,
  const Rule extends BodyRule | undefined = undefined,
  const Query extends QueryRule | undefined = undefined,
>(
  definition: Omit<Endpoint, "access" | "body" | "query" | "handle"> & {
    readonly access: Kind;
    readonly body?: Rule;
    readonly query?: Query;
    readonly handle: (call: Call<AuthOf<Kind>, BodyOf<Rule>, QueryOf<Query>>) => Response | Promise<Response>;
  },
): Endpoint {
  return definition as unknown as Endpoint;
}
