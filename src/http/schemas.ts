import { z } from "@hono/zod-openapi";
import { PASSWORD_MAX_BYTES } from "../accounts/password-text.ts";

// What the routes accept and return. One source for validation, types and the OpenAPI document.

/** Marks the schema of a password that is about to be set. */
export const NEW_PASSWORD = "x-new-password";

// In UTF-16 code units, with room for the spaces that are removed.
const username = z.string().min(1).max(512).openapi({ example: "ada" });
const password = z
  .string()
  .min(1)
  .openapi({ format: "password", maxLength: PASSWORD_MAX_BYTES, example: "correct horse battery staple" });
/**
 * A password that is about to be set. Its minimum length is the issuer's option, which the document names instead of
 * the mark.
 */
const newPassword = password.openapi({ [NEW_PASSWORD]: true });
const device = z
  .string()
  .max(128)
  // Lone surrogates have no form in UTF-8, and the last two break lines.
  .regex(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u, "must not contain control characters")
  .openapi({
    description: "The person's name for this device.",
    example: "Work laptop",
    // The same for every engine: JSON Schema has no place for the flag, and Python's does not know `\p`. Lone surrogates are left
    // out, since without the flag half of every emoji would be one.
    pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$",
  });
const refreshToken = z.string().min(1).max(8192).openapi({ description: "The refresh token, `lkr_…`." });
const transport = z.enum(["body", "cookie"]).openapi({
  description:
    "How the tokens are returned: in the body, or as cookies that scripts cannot read. Default: in the body; as cookies if the request carries cookies.",
});

const deviceToken = z.string().max(256).openapi({
  description:
    "The `device_token` of an earlier sign-in from this device. Optional: with it, other people's failed logins do not block this device.",
});

export const registration = z
  .strictObject({ username, password: newPassword, transport: transport.optional() })
  .openapi("Registration");
export const login = z
  .strictObject({
    username,
    password,
    device: device.optional(),
    device_token: deviceToken.optional(),
    transport: transport.optional(),
  })
  .openapi("Login");
export const reauthentication = z
  .strictObject({ password, transport: transport.optional() })
  .openapi("Reauthentication");
export const passwordChange = z
  .strictObject({ current_password: password, new_password: newPassword, transport: transport.optional() })
  .openapi("PasswordChange");
export const setup = z
  .strictObject({ setup_token: z.string().max(256), username, password: newPassword })
  .openapi("Setup");

/** In addition to the refresh token the rest of the pair is allowed, so that a pair can be sent back unchanged. */
export const refresh = z
  .strictObject({
    refresh_token: refreshToken,
    access_token: z.string().optional(),
    token_type: z.string().optional(),
    expires_in: z.number().optional(),
    refresh_expires_in: z.number().optional(),
    session_id: z.string().optional(),
    device_token: z.string().optional(),
  })
  .openapi("Refresh", {
    description: "The refresh token. Other fields of the pair may be present and are ignored.",
  });

export const logout = refresh
  .partial({ refresh_token: true })
  .openapi("Logout", { description: "The refresh token, or an access token, of the session to end." });

const clientForm = {
  client_id: z.string().max(256).optional(),
  client_secret: z.string().max(1024).optional().openapi({ format: "password" }),
};
export const tokenForm = z
  .object({
    grant_type: z.string().openapi({ example: "refresh_token" }),
    refresh_token: refreshToken.optional(),
    username: z.string().max(512).optional(),
    password: z.string().optional().openapi({ format: "password" }),
    device_token: deviceToken.optional(),
    scope: z.string().optional(),
    ...clientForm,
  })
  .openapi("TokenRequest");

const tokenPair = z
  .object({
    access_token: z.string().openapi({ description: "A JWT (RFC 9068)." }),
    token_type: z.enum(["Bearer", "DPoP"]),
    expires_in: z.int().openapi({ description: "Seconds until the access token expires.", example: 900 }),
    refresh_token: refreshToken,
    refresh_expires_in: z
      .int()
      .openapi({ description: "Seconds until the session ends if it is not refreshed.", example: 1209600 }),
    session_id: z.string(),
    device_token: z.string().optional().openapi({
      description:
        "After a sign-in with a password: send it at the next sign-in to be recognised as this device, so that other people's failed logins do not block it. Valid for 400 days, or until the password changes.",
    }),
  })
  .openapi("TokenPair");

/** The body when the tokens are in cookies. */
const cookieSession = z
  .object({
    expires_in: tokenPair.shape.expires_in,
    refresh_expires_in: tokenPair.shape.refresh_expires_in,
    session_id: z.string(),
    csrf_token: z
      .string()
      .openapi({ description: "Send it as `X-CSRF-Token` with every unsafe request that uses the cookies." }),
  })
  .openapi("CookieSession");
export const pairOrCookies = z.union([tokenPair, cookieSession]).openapi("TokenPairOrCookies");

/** What `/token` answers: a pair, or a client's own access token alone. */
export const tokenResponse = tokenPair
  .partial({ refresh_token: true, refresh_expires_in: true, session_id: true })
  .extend({ scope: z.string().optional().openapi({ description: "The granted scope, space-separated." }) })
  .openapi("TokenResponse");

const token = z.string().min(1).max(8192).openapi({ description: "A refresh token or an access token." });
const tokenTypeHint = z
  .string()
  .max(256)
  .optional()
  .openapi({ description: "Optional: the token's type is recognised by its form." });
export const revocationForm = z
  .object({ token, token_type_hint: tokenTypeHint, ...clientForm })
  .openapi("RevocationRequest");
export const introspectionForm = z
  .object({ token, token_type_hint: tokenTypeHint, ...clientForm })
  .openapi("IntrospectionRequest");
export const introspection = z
  .looseObject({
    active: z.boolean(),
    token_use: z.enum(["access_token", "refresh_token"]).optional(),
    token_type: z.enum(["Bearer", "DPoP"]).optional(),
    iss: z.string().optional(),
    sub: z.string().optional(),
    client_id: z.string().optional(),
    scope: z.string().optional(),
    exp: z.int().optional(),
  })
  .openapi("Introspection");
export const nothing = z.strictObject({}).openapi("Nothing");

export const user = z.object({ id: z.string(), username: z.string(), roles: z.array(z.string()) }).openapi("User");
export const registered = z
  .union([user.extend(cookieSession.shape).openapi("UserWithCookies"), user])
  .openapi("RegisteredUser");

const instant = z.iso.datetime();
export const sessionList = z
  .object({
    sessions: z.array(
      z
        .object({
          id: z.string(),
          device: z.string().nullable(),
          user_agent: z.string().nullable(),
          ip: z.string().nullable(),
          created_at: instant,
          last_used_at: instant,
          expires_at: instant,
          current: z.boolean().openapi({ description: "Whether this request uses this session." }),
        })
        .openapi("Session"),
    ),
  })
  .openapi("SessionList");

/** Who is signed in. */
export const sessionState = z
  .union([
    z.object({
      session: z.object({
        id: z.string(),
        subject: z.string(),
        username: z.string().nullable().openapi({ description: "Null if the application keeps its own users." }),
        roles: z.array(z.string()),
        expires_in: tokenPair.shape.expires_in,
        refresh_expires_in: z
          .int()
          .openapi({ description: "Seconds until the session ends, as known at the last full hour." }),
        auth_time: z.int().openapi({ description: "When the person last authenticated, in seconds since 1970." }),
        amr: z.array(z.string()).openapi({ description: "How (RFC 8176).", example: ["pwd"] }),
        acr: z
          .enum(["urn:latchkey:1", "urn:latchkey:2"])
          .openapi({ description: "`urn:latchkey:1`: one factor. `urn:latchkey:2`: more than one." }),
        factors: z.int().openapi({ description: "How many factors the person used.", example: 1 }),
        bound: z.boolean().openapi({ description: "Whether the session is bound to a key." }),
        csrf_token: cookieSession.shape.csrf_token.optional(),
      }),
    }),
    z.object({
      session: z.null(),
      reason: z
        .enum(["session_revoked", "session_expired", "refresh_token_reused"])
        .nullable()
        .openapi({ description: "Why the session ended; null if there was none." }),
    }),
  ])
  .openapi("SessionState");

/** A position in the revocation feed, as it appears in a query string or a header. */
export const sequence = z
  .string()
  .regex(/^(?:0|[1-9]\d{0,14})$/, "must be a whole number")
  .transform(Number)
  .openapi({
    type: "integer",
    minimum: 0,
    example: 0,
    description: "The last sequence number already known; 0 for none.",
  });
export const revocationQuery = z.strictObject({
  after: sequence.optional(),
  limit: z
    .string()
    .regex(/^(?:[1-9]\d{0,2}|1000)$/, "must be a whole number from 1 to 1000")
    .transform(Number)
    .openapi({
      type: "integer",
      minimum: 1,
      maximum: 1000,
      default: 500,
      description: "The maximum number of entries.",
    })
    .optional(),
});
export const revocationList = z
  .object({
    revocations: z.array(
      z
        .object({
          session_id: z.string().openapi({
            description: "The `sid` of its access tokens, and the part of their `jti` before the first dot.",
          }),
          revoked_at: instant,
          expires_at: instant.openapi({
            description: "When the entry may be forgotten: all its access tokens have expired by then.",
          }),
        })
        .openapi("Revocation"),
    ),
    next: z.int().openapi({ description: "Send it as `after` the next time." }),
  })
  .openapi("RevocationList");

/** What a proxy may require in addition to a valid access token. */
export const forwardAuthQuery = z.strictObject({
  role: z
    .string()
    .min(1, "must not be empty")
    .max(256, "is too long")
    .openapi({ example: "admin", description: "A role that the person must have." })
    .optional(),
  scope: z
    .string()
    .max(1024, "is too long")
    // RFC 6749 section 3.3. As numbers, since readers of the document differ on what a bracket means among characters.
    .regex(
      /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/,
      "must be one or more scopes, separated by single spaces",
    )
    .openapi({ example: "orders:read", description: "The scopes that the access token must cover, all of them." })
    .optional(),
});

export const metrics = z
  .object({
    started_at: instant,
    uptime_seconds: z.int(),
    store: z.object({
      users: z.int(),
      disabled_users: z.int(),
      live_sessions: z.int(),
      revoked_sessions: z.int(),
    }),
    since_start: z.object({
      logins_succeeded: z.int(),
      logins_failed: z.int(),
      refreshes: z.int(),
      refreshes_by_decision: z.object({
        advance: z.int(),
        repeat: z.int(),
        sibling: z.int(),
        rolled_back: z.int(),
        caught_up: z.int(),
      }),
      reuse_detected: z.int(),
      logouts: z.int(),
      sessions_revoked: z.int(),
      password_changes: z.int(),
    }),
  })
  .openapi("Metrics");

export const jwks = z
  .object({
    keys: z.array(
      z.looseObject({ kty: z.string(), kid: z.string(), alg: z.string(), use: z.literal("sig") }).openapi("JsonWebKey"),
    ),
  })
  .openapi("JsonWebKeySet");

export const serverMetadata = z
  .looseObject({
    issuer: z.string(),
    token_endpoint: z.string(),
    jwks_uri: z.string().optional().openapi({ description: "Absent with HS256, which has no public key." }),
  })
  .openapi("ServerMetadata");

export const openApiDocument = z
  .looseObject({ openapi: z.string(), info: z.looseObject({}), paths: z.looseObject({}) })
  .openapi("OpenApiDocument");
/** A page or a script. */
export const text = z.string();

export const health = z.object({ status: z.enum(["ok", "unready"]) }).openapi("Health");

export const error = z
  .object({
    error: z.string().openapi({ description: "A code.", example: "invalid_request" }),
    error_description: z.string().openapi({ example: "'username' is required." }),
  })
  .openapi("Error");
