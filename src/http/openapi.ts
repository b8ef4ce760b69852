import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import { type ErrorCode, errorCatalogue } from "../errors.ts";
import { type Endpoint, scopeOf, takesAccessToken } from "./endpoint.ts";
import * as schemas from "./schemas.ts";

type TextHeaders = Record<string, { description: string; schema: { type: "string" } }>;

const introduction = `Short-lived access tokens, rotating refresh tokens, and sessions that can be seen and ended.

Whoever logs in gets a pair. The access token goes with every request, as \`Authorization: Bearer …\`; when it has expired, the refresh token is exchanged for the next pair. A refresh whose answer was lost can simply be sent again: it gets the same successor.

Every error has the same two fields: a code that programs can rely on in \`error\`, and a sentence for people in \`error_description\`. With 401 comes a \`WWW-Authenticate\` challenge, with 429 and 503 a \`Retry-After\`.`;

const SECURITY_SCHEME = "accessToken";
const CLIENT_SCHEME = "client";

/** Describes the route table as an OpenAPI 3.1 document, in JSON. */
export function writeOpenApi(routes: readonly Endpoint[], issuer: string): string {
  const app = new OpenAPIHono();
  app.openAPIRegistry.registerComponent("securitySchemes", SECURITY_SCHEME, {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "The access token of a pair.",
  });
  app.openAPIRegistry.registerComponent("securitySchemes", CLIENT_SCHEME, {
    type: "http",
    scheme: "basic",
    description: "A client's id and secret (RFC 6749 section 2.3.1); both may stand in the form instead.",
  });
  for (const route of routes) app.openAPIRegistry.registerPath(describe(route));
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Latchkey",
      version: "1",
      description: introduction,
    },
    servers: [{ url: issuer }],
  });
  return JSON.stringify(document);
}

function describe(route: Endpoint): RouteConfig {
  const { method, path, tag, summary, description, body, query, success } = route;
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name: name!,
    in: "path" as const,
    required: true,
    schema: { type: "string" as const },
  }));
  return {
    method,
    path,
    operationId: operationId(route),
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    security: securityOf(route),
    ...((body ?? query) === undefined
      ? {}
      : {
          request: {
            ...(query === undefined ? {} : { query }),
            ...(body === undefined
              ? {}
              : {
                  body: {
                    required: body.optional !== true,
                    content: {
                      [body.format === "json" ? "application/json" : "application/x-www-form-urlencoded"]: {
                        schema: body.schema,
                      },
                    },
                  },
                }),
          },
        }),
    responses: {
      [success.status]: {
        description: success.description,
        ...(success.status === 204
          ? {}
          : { content: { [success.contentType ?? "application/json"]: { schema: success.schema ?? {} } } }),
      },
      ...errorResponses(route),
    },
  };
}

/** What a caller has to show, each entry a way; an empty one means that nothing is needed. */
function securityOf(route: Endpoint): Record<string, string[]>[] {
  if (takesAccessToken(route.access)) return [{ [SECURITY_SCHEME]: rolesOrScopes(route) }];
  if (route.client === undefined) return [];
  return route.client === "required" ? [{ [CLIENT_SCHEME]: [] }] : [{ [CLIENT_SCHEME]: [] }, {}];
}

/** `POST /auth/login` is `postAuthLogin`: what generated clients call the method. */
function operationId({ method, path }: Endpoint): string {
  const words = path.replace(/\{(\w+)\}/g, "by-$1").match(/[A-Za-z0-9]+/g) ?? [];
  return method + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
}

/** What the access token must carry. OpenAPI 3.1 lets roles stand where a scheme has no scopes. */
function rolesOrScopes({ access }: Endpoint): string[] {
  return access === "admin" ? ["admin"] : [scopeOf(access) ?? []].flat();
}

/** What can go wrong, by status: the route's own codes, and those that follow from its access and its body. */
function errorResponses(route: Endpoint): RouteConfig["responses"] {
  const codes = new Set<ErrorCode>(route.errors);
  codes.add("token_in_query");
  if (takesAccessToken(route.access)) {
    for (const code of [
      "missing_token",
      "invalid_access_token",
      "access_token_expired",
      "access_token_replaced",
      "wrong_token_type",
      "session_revoked",
    ] as const)
      codes.add(code);
  }
  if (route.access === "admin") codes.add("insufficient_role");
  if (scopeOf(route.access) !== undefined) codes.add("insufficient_scope");
  if (route.query !== undefined) codes.add("invalid_request");
  if (route.body !== undefined)
    for (const code of ["invalid_request", "payload_too_large", "unsupported_media_type"] as const) codes.add(code);
  if (route.access !== "public") codes.add("store_unavailable");

  const byStatus = new Map<number, string[]>();
  for (const code of codes) {
    const { status, oauthError, description } = errorCatalogue[code];
    const isOauth = route.errorStyle === "oauth";
    const sent = isOauth && oauthError === "invalid_grant" ? 400 : status;
    const named = isOauth ? `\`${oauthError}\` (\`${code}\`)` : `\`${code}\``;
    byStatus.set(sent, [...(byStatus.get(sent) ?? []), `- ${named}: ${description}`]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, lines]) => [
      status,
      {
        description: lines.join("\n"),
        ...errorHeaders(status, route),
        content: { "application/json": { schema: schemas.error } },
      },
    ]),
  );
}

function errorHeaders(status: number, { access }: Endpoint): { headers?: TextHeaders } {
  const header = (name: string, description: string): { headers: TextHeaders } => ({
    headers: { [name]: { description, schema: { type: "string" } } },
  });
  if (status === 401 || (status === 403 && (access === "admin" || scopeOf(access) !== undefined))) {
    return header("WWW-Authenticate", "The challenge (RFC 6750 section 3).");
  }
  if (status === 429 || status === 503) return header("Retry-After", "Whole seconds to wait.");
  return {};
}
