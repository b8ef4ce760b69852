import type { Introspection } from "../../engine/introspect.ts";
import { endpoint } from "../endpoint.ts";
import { authenticateClient, authenticateConfidentialClient } from "../request/client-authentication.ts";
import * as schemas from "../schemas.ts";

/** For clients that revoke or introspect a token. */
export const tokenStateEndpoints = [
  endpoint({
    method: "post",
    path: "/revoke",
    access: "credentials",
    client: "optional",
    tag: "OAuth 2.0",
    summary: "Revoke a token (RFC 7009)",
    description:
      "Either type of token ends its session: the refresh token and all its access tokens are revoked. An unknown token gets the same answer. A token of another client is refused.",
    body: { format: "form", schema: schemas.revocationForm },
    success: { status: 200, description: "The token is no longer valid, if it ever was.", schema: schemas.nothing },
    errors: ["invalid_client", "unauthorized_client", "unsupported_token_type"],
    errorStyle: "oauth",
    async handle(call) {
      const client = await authenticateClient(call);
      await call.issuer.revoke(call.body.token, { clientId: client?.id }, call.origin);
      return call.respond.json({});
    },
  }),
  endpoint({
    method: "post",
    path: "/introspect",
    access: "credentials",
    client: "required",
    tag: "OAuth 2.0",
    summary: "Ask whether a token is valid, and what it contains (RFC 7662)",
    description:
      "For confidential clients. A refresh token is reported as active only to the client that can use it. Introspection does not use it up.",
    body: { format: "form", schema: schemas.introspectionForm },
    success: {
      status: 200,
      description: "The token's contents. For an inactive token, only that it is inactive.",
      schema: schemas.introspection,
    },
    errors: ["invalid_client"],
    errorStyle: "oauth",
    async handle(call) {
      const { id: clientId } = await authenticateConfidentialClient(call);
      const { issuer, respond, body } = call;
      return respond.json(introspectionBody(await issuer.introspect(body.token, { clientId }), issuer.options.issuer));
    },
  }),
];

/**
 * An introspection as it is sent (RFC 7662 section 2.2). `token_use` keeps a refresh token from being mistaken for the
 * other kind.
 */
function introspectionBody(found: Introspection, iss: string): object {
  if (!found.active) return { active: false };
  if (found.kind === "access_token") {
    const { claims } = found;
    // RFC 9449 section 6.2: `cnf` is among the claims.
    return { ...claims, active: true, token_type: claims.cnf === undefined ? "Bearer" : "DPoP", token_use: found.kind };
  }
  const { session, expiresAt } = found;
  return {
    active: true,
    token_use: found.kind,
    iss,
    sub: session.subject,
    client_id: session.clientId,
    sid: session.id,
    exp: Math.floor(expiresAt / 1000),
    ...(session.scope !== null && { scope: session.scope }),
  };
}
