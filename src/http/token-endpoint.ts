import { LatchkeyError } from "../errors.ts";
import { FIRST_PARTY_CLIENT_ID } from "../session.ts";
import { endpoint } from "./endpoint.ts";
import * as schemas from "./schemas.ts";
import { tokenPairBody } from "./token-pair-body.ts";

/** The OAuth 2.0 token endpoint (RFC 6749 section 3.2). */
export const tokenEndpoint = endpoint({
  method: "post",
  path: "/token",
  access: "credentials",
  tag: "OAuth 2.0",
  summary: "The OAuth 2.0 token endpoint",
  description: "`grant_type=refresh_token`; and `password` where the operator has switched it on.",
  body: { format: "form", schema: schemas.tokenForm },
  success: { status: 200, description: "A token pair (RFC 6749 section 5.1).", schema: schemas.tokenPair },
  errors: [
    "unsupported_grant_type",
    "invalid_refresh_token",
    "invalid_scope",
    "invalid_client",
    "too_many_requests",
    "server_busy",
  ],
  errorStyle: "oauth",
  async handle({ issuer, options, respond, request, body, origin }) {
    const { grant_type: grantType, client_id: clientId, client_secret: clientSecret, scope } = body;
    if (
      request.headers.has("authorization") ||
      clientSecret !== undefined ||
      (clientId ?? FIRST_PARTY_CLIENT_ID) !== FIRST_PARTY_CLIENT_ID
    ) {
      throw new LatchkeyError("invalid_client");
    }
    if (scope !== undefined) throw new LatchkeyError("invalid_scope");
    const headers = { pragma: "no-cache" };
    if (grantType === "refresh_token") {
      const token = needed("refresh_token", body.refresh_token);
      return respond.json(tokenPairBody(await issuer.refresh(token, origin)), 200, headers);
    }
    if (grantType === "password" && options.passwordGrant === true) {
      const credentials = { username: needed("username", body.username), password: needed("password", body.password) };
      return respond.json(tokenPairBody(await issuer.login(credentials, origin)), 200, headers);
    }
    throw new LatchkeyError("unsupported_grant_type");
  },
});

function needed(name: string, value: string | undefined): string {
  if (value === undefined)
    throw new LatchkeyError("invalid_request", { description: `'${name}' is required for this grant_type.` });
  return value;
}
