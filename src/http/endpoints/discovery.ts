import { dpopAlgorithms } from "../../access-token/dpop-proof.ts";
import { type Call, endpoint } from "../endpoint.ts";
import { PUBLIC_HEADERS } from "../request/cross-origin.ts";
import * as schemas from "../schemas.ts";

const METADATA = "/.well-known/oauth-authorization-server";
const OPENID_CONFIGURATION = "/.well-known/openid-configuration";

/** What other services discover by themselves. */
export const discoveryEndpoints = [
  endpoint({
    method: "get",
    path: "/.well-known/jwks.json",
    access: "public",
    anyOrigin: true,
    tag: "Discovery",
    summary: "The public signing keys (RFC 7517)",
    description:
      "The keys that verify access tokens. Cache them for as long as `Cache-Control` allows. Pages of any origin may read them.",
    success: { status: 200, description: "The next, the current and the retired keys.", schema: schemas.jwks },
    handle({ issuer, respond }) {
      return respond.cacheableJson(
        JSON.stringify(issuer.keys.jwks()),
        issuer.options.jwksMaxAgeSeconds,
        PUBLIC_HEADERS,
      );
    },
  }),
  endpoint({
    method: "get",
    path: METADATA,
    aliases: (issuerPath) => around(METADATA, issuerPath),
    access: "public",
    anyOrigin: true,
    tag: "Discovery",
    summary: "The server's metadata (RFC 8414)",
    description:
      "The configuration of OAuth clients and resource servers. For an issuer with a path, it is also at the address that RFC 8414 section 3 builds, which ends in that path.",
    success: { status: 200, description: "Endpoints and what they support.", schema: schemas.serverMetadata },
    handle: answerMetadata,
  }),
  endpoint({
    method: "get",
    path: OPENID_CONFIGURATION,
    aliases: (issuerPath) => around(OPENID_CONFIGURATION, issuerPath),
    access: "public",
    anyOrigin: true,
    tag: "Discovery",
    summary: "The same metadata, for clients that know only this address",
    description: "This server issues no ID tokens. The document is that of RFC 8414.",
    success: { status: 200, description: "Endpoints and what they support.", schema: schemas.serverMetadata },
    handle: answerMetadata,
  }),
];

/** Where clients look for the metadata of an issuer with a path: RFC 8414 section 3, and OpenID Connect Discovery section 4. */
function around(wellKnown: string, issuerPath: string): readonly string[] {
  return issuerPath === "" ? [] : [wellKnown + issuerPath, issuerPath + wellKnown];
}

function answerMetadata({ issuer, options, respond }: Call<undefined, undefined>): Response {
  const { issuer: url, jwksMaxAgeSeconds } = issuer.options;
  const confidential = ["client_secret_basic", "client_secret_post"];
  const metadata = {
    issuer: url,
    token_endpoint: `${url}/token`,
    revocation_endpoint: `${url}/revoke`,
    introspection_endpoint: `${url}/introspect`,
    // With HS256 there is no public key, and a verifier that found an empty set would not know why.
    ...(issuer.keys.jwks().keys.length > 0 && { jwks_uri: `${url}/.well-known/jwks.json` }),
    // Required by RFC 8414; there is no authorization endpoint, so there are no response types.
    response_types_supported: [],
    grant_types_supported: ["refresh_token", "client_credentials", ...(options.passwordGrant ? ["password"] : [])],
    token_endpoint_auth_methods_supported: [...confidential, "none"],
    revocation_endpoint_auth_methods_supported: [...confidential, "none"],
    introspection_endpoint_auth_methods_supported: confidential,
    dpop_signing_alg_values_supported: dpopAlgorithms,
    service_documentation: `${url}/docs`,
  };
  return respond.cacheableJson(JSON.stringify(metadata), jwksMaxAgeSeconds, PUBLIC_HEADERS);
}
