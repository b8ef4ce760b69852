import type { AccessTokenClaims } from "../access-token-claims.ts";
import { LatchkeyError } from "../errors.ts";
import type { Issuer } from "../issuer.ts";
import { bearerToken, refuseTokenInQuery } from "./credentials.ts";
import { errorResponse } from "./error-response.ts";
import { createResponder } from "./respond.ts";

/** Whom a guard lets through. */
export interface GuardOptions {
  /** A role that the subject must have. Default: none. */
  readonly role?: string | undefined;
}

/** Lets a request through only with a valid access token in `Authorization: Bearer`. */
export interface Guard {
  /**
   * The verified claims of the request's access token.
   * @throws LatchkeyError with the status and the code that the request deserves.
   */
  authenticate(request: Request): Promise<AccessTokenClaims>;
  /** Wraps a handler: what the guard refuses gets its 401 or 403 here, and no error handler has to be registered anywhere. */
  protect(
    handler: (request: Request, auth: AccessTokenClaims) => Response | Promise<Response>,
  ): (request: Request) => Promise<Response>;
}

/** Makes a guard for routes of the application that holds the issuer. */
export function createGuard(issuer: Issuer, options: GuardOptions = {}): Guard {
  const respond = createResponder(issuer.options.issuer.startsWith("https:"));

  async function authenticate(request: Request): Promise<AccessTokenClaims> {
    refuseTokenInQuery(request.url);
    return authenticateHeaders(issuer, request.headers, options.role);
  }

  return {
    authenticate,
    protect: (handler) => async (request) => {
      let auth: AccessTokenClaims;
      try {
        auth = await authenticate(request);
      } catch (error) {
        return errorResponse(respond, error);
      }
      return handler(request, auth);
    },
  };
}

/** The verified claims of the bearer token, whose subject must have `role` where one is named. */
export async function authenticateHeaders(issuer: Issuer, headers: Headers, role?: string): Promise<AccessTokenClaims> {
  const token = bearerToken(headers);
  if (token === undefined) throw new LatchkeyError("missing_token");
  const auth = await issuer.verify(token);
  if (role !== undefined && !auth.roles.includes(role)) {
    throw new LatchkeyError("insufficient_role", { description: `This takes the role '${role}'.` });
  }
  return auth;
}
