import type { DpopRequest } from "../../access-token/dpop-proof.ts";
import type { ClientDescription } from "../../engine/groups/clients.ts";
import { scopeFor } from "../../engine/groups/clients.ts";
import { LatchkeyError } from "../../errors.ts";
import type { GrantType } from "../../records/client.ts";
import { type Call, endpoint } from "../endpoint.ts";
import { authenticateClient } from "../request/client-authentication.ts";
import { proofToBind } from "../request/dpop.ts";
import * as schemas from "../schemas.ts";
import { tokenPairBody } from "../token-pair-json.ts";

type TokenCall = Call<unknown, ReturnType<typeof schemas.tokenForm.parse>>;

/** The OAuth 2.0 token endpoint (RFC 6749 section 3.2). */
export const tokenEndpoint = endpoint({
  method: "post",
  path: "/token",
  access: "credentials",
  client: "optional",
  dpop: "binds",
  tag: "OAuth 2.0",
  summary: "The OAuth 2.0 token endpoint",
  description:
    "`grant_type=refresh_token`; `client_credentials` for confidential clients; and `password` if the operator has enabled it. A client authenticates by HTTP Basic or in the form; the first-party client sends nothing.",
  body: { format: "form", schema: schemas.tokenForm },
  success: {
    status: 200,
    description: "Tokens (RFC 6749 section 5.1). A client's own access token has no refresh token.",
    schema: schemas.tokenResponse,
  },
  errors: [
    "unsupported_grant_type",
    "unauthorized_client",
    "invalid_refresh_token",
    "invalid_scope",
    "invalid_client",
    "too_many_requests",
    "server_busy",
  ],
  errorStyle: "oauth",
  async handle(call) {
    const answer = await tokensFor(call, await authenticateClient(call));
    return call.respond.json(answer, 200, { pragma: "no-cache" });
  },
});

async function tokensFor(call: TokenCall, client: ClientDescription | undefined): Promise<object> {
  switch (call.body.grant_type) {
    case "refresh_token":
      return refreshed(call, client);
    case "client_credentials":
      return ofClient(call, client);
    case "password":
      if (call.options.passwordGrant) return signedIn(call, client);
  }
  throw new LatchkeyError("unsupported_grant_type");
}

/** RFC 6749 section 6: the client that the refresh token was issued to, and that has authenticated, gets the next pair. */
async function refreshed(call: TokenCall, client: ClientDescription | undefined): Promise<object> {
  refuseOtherGrants(client, "refresh_token");
  const { issuer, body, origin } = call;
  const token = needed("refresh_token", body.refresh_token);
  const isClientAuthenticated = client?.kind === "confidential";
  const options = { clientId: client?.id, isClientAuthenticated, scope: body.scope, dpop: proofOf(call) };
  const pair = await issuer.refresh(token, origin, options);
  return { ...tokenPairBody(pair), ...scopeBody(pair.scope ?? "") };
}

/** RFC 6749 section 4.4. */
async function ofClient(call: TokenCall, client: ClientDescription | undefined): Promise<object> {
  const { issuer, body, origin } = call;
  if (client === undefined) throw new LatchkeyError("invalid_client");
  const token = await issuer.clients.issueToken(client, body.scope, origin, { dpop: proofOf(call) });
  return {
    access_token: token.accessToken,
    token_type: token.tokenType,
    expires_in: token.expiresInSeconds,
    ...scopeBody(token.scope),
  };
}

/** RFC 6749 section 4.3. */
async function signedIn(call: TokenCall, client: ClientDescription | undefined): Promise<object> {
  const { issuer, body, origin } = call;
  refuseOtherGrants(client, "password");
  if (client === undefined && body.scope !== undefined) throw new LatchkeyError("invalid_scope");
  const scope = client === undefined ? "" : scopeFor(client, body.scope);
  const pair = await issuer.login(
    {
      username: needed("username", body.username),
      password: needed("password", body.password),
      clientId: client?.id,
      scope: scope === "" ? undefined : scope,
      dpop: proofOf(call),
    },
    { ...origin, deviceToken: body.device_token },
  );
  return { ...tokenPairBody(pair), ...scopeBody(scope) };
}

/** RFC 9449 section 5: for every grant, the issued tokens are bound to the key of a proof. */
function proofOf({ issuer, request }: TokenCall): DpopRequest | undefined {
  return proofToBind(request, issuer.options.issuer);
}

function refuseOtherGrants(client: ClientDescription | undefined, grant: GrantType): void {
  if (client !== undefined && !client.grantTypes.includes(grant)) throw new LatchkeyError("unauthorized_client");
}

function scopeBody(scope: string): { readonly scope?: string } {
  return scope === "" ? {} : { scope };
}

function needed(name: string, value: string | undefined): string {
  if (value === undefined)
    throw new LatchkeyError("invalid_request", { description: `'${name}' is required for this grant_type.` });
  return value;
}
