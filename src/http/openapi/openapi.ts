import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import type { SessionCookies } from "../cookies/cookies.ts";
import { CSRF_HEADER } from "../csrf.ts";
import {
  type Endpoint,
  letsChooseTransport,
  scopeOf,
  tags,
  takesAccessToken,
  takesCookies,
  takesProof,
} from "../endpoint.ts";
import { NEW_PASSWORD } from "../schemas.ts";
import { asksForProof, errorResponses, header } from "./errors.ts";

const introduction = `Short-lived access tokens, rotating refresh tokens, and sessions that can be seen and ended.

Logging in returns a token pair. The access token goes with every request, as \`Authorization: Bearer …\`; when it has expired, the refresh token is exchanged for the next pair. A refresh whose answer was lost can simply be sent again: it gets the same successor.

Every error has the same two fields: \`error\`, a code for programs, and \`error_description\`, a sentence for people. A 401 has a \`WWW-Authenticate\` challenge, a 429 and a 503 have \`Retry-After\`.`;

/** How a caller shows who it is. The cookies' names follow from the issuer. */
const securitySchemes = (names: SessionCookies["names"]) =>
  ({
    accessToken: {
      type: "http",
      scheme: "bearer",
      bearerFormat: "JWT",
      description: "The access token of a pair.",
    },
    boundAccessToken: {
      type: "http",
      scheme: "dpop",
      description: "An access token bound to a key, with a proof of that key in the `DPoP` header (RFC 9449).",
    },
    accessCookie: {
      type: "apiKey",
      in: "cookie",
      name: names.access,
      description: "The access token as a cookie. When it has expired, the refresh cookie renews both at once.",
    },
    refreshCookie: {
      type: "apiKey",
      in: "cookie",
      name: names.refresh,
      description: "The refresh token as a cookie.",
    },
    csrfToken: {
      type: "apiKey",
      in: "header",
      name: CSRF_HEADER,
      description: `The session's CSRF token. Pages read it from the cookie \`${names.csrf}\`.`,
    },
    client: {
      type: "http",
      scheme: "basic",
      description: "A client's id and secret (RFC 6749 section 2.3.1). Both may be in the form instead.",
    },
  }) as const;
type SchemeName = keyof ReturnType<typeof securitySchemes>;

/** Describes the route table as an OpenAPI 3.1 document, in JSON. */
export function writeOpenApi(
  routes: readonly Endpoint[],
  { issuer, passwordMinLength }: { readonly issuer: string; readonly passwordMinLength: number },
  cookieNames: SessionCookies["names"],
): string {
  const app = new OpenAPIHono();
  for (const [name, scheme] of Object.entries(securitySchemes(cookieNames))) {
    app.openAPIRegistry.registerComponent("securitySchemes", name, scheme);
  }
  for (const route of routes) app.openAPIRegistry.registerPath(describe(route));
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Latchkey",
      version: "1",
      description: introduction,
      contact: { name: "The operator of this server", url: `${issuer}/docs` },
      license: { name: "MIT", url: "https://spdx.org/licenses/MIT.html" },
    },
    servers: [{ url: issuer, description: "This server" }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
  });
  return JSON.stringify(document, (_, node) =>
    node?.[NEW_PASSWORD] === true ? withLength(node, passwordMinLength) : node,
  );
}

/** The schema of a new password, with the fewest characters that this issuer accepts. An example that is too short is none. */
function withLength(schema: Readonly<Record<string, unknown>>, minLength: number): object {
  const { [NEW_PASSWORD]: _, example, ...described } = schema;
  const isLongEnough = typeof example === "string" && [...example].length >= minLength;
  return { ...described, minLength, ...(isLongEnough && { example }) };
}

function describe(route: Endpoint): RouteConfig {
  const { method, path, tag, summary, description, body, query, success } = route;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name: name!,
    in: "path" as const,
    required: true,
    description: `The \`${name}\` from the list.`,
    schema: { type: "string" as const },
  }));
  const parameters = [...inPath, ...(route.dpop === "binds" ? [proofHeader] : [])];
  return {
    method,
    path,
    operationId: operationId(route),
    tags: [tag],
    summary,
    description: [description, requirementOf(route)].join(""),
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
        ...cookieHeader(route),
        ...(success.status === 204
          ? {}
          : { content: { [success.contentType ?? "application/json"]: { schema: success.schema ?? {} } } }),
      },
      ...(route.notModified === true && {
        304: { description: "Not modified: the client's copy, named by `If-None-Match`, is current." },
      }),
      ...errorResponses(route),
    },
  };
}

/** Where a proof is optional. Elsewhere it belongs to the security scheme. */
const proofHeader = {
  name: "DPoP",
  in: "header" as const,
  required: false,
  description:
    "A proof of possession (RFC 9449). The returned tokens are bound to its key. To refresh a bound session, send a proof of the same key.",
  schema: { type: "string" as const },
};

/** What a caller has to show, each entry a way; an empty one means that nothing is needed. */
function securityOf(route: Endpoint): Partial<Record<SchemeName, string[]>>[] {
  const proof = asksForProof(route) ? { csrfToken: [] } : {};
  if (takesAccessToken(route.access)) {
    const bound = takesProof(route) ? [{ boundAccessToken: [] }] : [];
    return [{ accessToken: [] }, ...bound, ...(takesCookies(route) ? [{ accessCookie: [], ...proof }] : [])];
  }
  if (route.optionalAccessToken === true) {
    return [{ accessToken: [] }, { boundAccessToken: [] }, { accessCookie: [] }, { refreshCookie: [] }, {}];
  }
  if (takesCookies(route)) return [{ refreshCookie: [], ...proof }, {}];
  if (route.client === undefined) return [];
  return route.client === "required" ? [{ client: [] }] : [{ client: [] }, {}];
}

/** `POST /auth/login` is `postAuthLogin`: what generated clients call the method. */
function operationId({ method, path }: Endpoint): string {
  const words = path.replace(/\{(\w+)\}/g, "by-$1").match(/[A-Za-z0-9]+/g) ?? [];
  return method + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
}

/** What the access token must carry, in words: many tools refuse a role or a scope at a scheme that declares none. */
function requirementOf({ access }: Endpoint): string {
  const scope = scopeOf(access);
  if (scope !== undefined) return `\n\nRequires the scope \`${scope}\`.`;
  return access === "admin" ? "\n\nRequires the role `admin`." : "";
}

function cookieHeader(route: Endpoint): Partial<ReturnType<typeof header>> {
  if (route.endsSession === true) return header("Set-Cookie", "Deletes the session's cookies.");
  if (letsChooseTransport(route)) return header("Set-Cookie", "The session's cookies, if the transport is cookies.");
  return takesCookies(route) ? header("Set-Cookie", "The session's new cookies, if they were renewed.") : {};
}
