import { dpopAlgorithms } from "../dpop-proof.ts";
import { endpoint } from "./endpoint.ts";
import * as schemas from "./schemas.ts";

/** What other services find out by themselves. */
export const discoveryEndpoints = [
  endpoint({
    method: "get",
    path: "/.well-known/jwks.json",
    access: "public",
    tag: "Discovery",
    summary: "The public signing keys (RFC 7517)",
    description: "What access tokens are verified by. To be kept for as long as `Cache-Control` says.",
    success: { status: 200, description: "Keys that sign, are about to, or no longer do.", schema: schemas.jwks },
    handle({ issuer, respond }) {
      return respond.cacheableJson(JSON.stringify(issuer.jwks()), issuer.options.jwksMaxAgeSeconds);
    },
  }),
  endpoint({
    method: "get",
    path: "/.well-known/oauth-authorization-server",
    access: "public",
    tag: "Discovery",
    summary: "The server's metadata (RFC 8414)",
    description: "What OAuth clients and resource servers configure themselves by.",
    success: { status: 200, description: "Endpoints and what they offer.", schema: schemas.serverMetadata },
    handle({ issuer, options, respond }) {
      const { issuer: url, jwksMaxAgeSeconds } = issuer.options;
      const confidential = ["client_secret_basic", "client_secret_post"];
      const metadata = {
        issuer: url,
        token_endpoint: `${url}/token`,
        revocation_endpoint: `${url}/revoke`,
        introspection_endpoint: `${url}/introspect`,
        jwks_uri: `${url}/.well-known/jwks.json`,
        // Required by RFC 8414; there is no authorization endpoint, so there are no response types.
        response_types_supported: [],
        grant_types_supported: [
          "refresh_token",
          "client_credentials",
          ...(options.passwordGrant === true ? ["password"] : []),
        ],
        token_endpoint_auth_methods_supported: [...confidential, "none"],
        revocation_endpoint_auth_methods_supported: [...confidential, "none"],
        introspection_endpoint_auth_methods_supported: confidential,
        dpop_signing_alg_values_supported: dpopAlgorithms,
        service_documentation: `${url}/docs`,
      };
      return respond.cacheableJson(JSON.stringify(metadata), jwksMaxAgeSeconds);
    },
  }),
];
