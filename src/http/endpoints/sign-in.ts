import type { AccessTokenClaims } from "../../access-token/claims.ts";
import type { RequestContext } from "../../engine/events.ts";
import { LatchkeyError } from "../../errors.ts";
import type { User } from "../../records/user.ts";
import { refuseCrossSite, refuseDroppedCookies } from "../csrf.ts";
import { type Call, endpoint } from "../endpoint.ts";
import { proofToBind, refuseProofForCookies } from "../request/dpop.ts";
import * as schemas from "../schemas.ts";
import { answerPair, type Transport } from "../token-pair-response.ts";

/** Register, log in, verify the password again, change it, and return the signed-in user. */
export const signInEndpoints = [
  endpoint({
    method: "post",
    path: "/auth/register",
    access: "credentials",
    tag: "Sign in",
    summary: "Register an account",
    description: "Available only if the operator has opened registration.",
    body: { format: "json", schema: schemas.registration },
    success: { status: 201, description: "The new user.", schema: schemas.registered },
    errors: [
      "registration_closed",
      "username_taken",
      "invalid_username",
      "password_rejected",
      "too_many_requests",
      "server_busy",
    ],
    async handle(call) {
      const { issuer, respond, body, origin } = call;
      refuseForeignSignIn(call);
      if (body.transport === "cookie") refuseProofForCookies(call.request);
      const user = userBody(await issuer.users.register(body, origin));
      if (body.transport !== "cookie") return respond.json(user, 201);
      const pair = await issuer.login(body, origin);
      return answerPair(call, pair, "cookie", { status: 201, beside: user });
    },
  }),
  endpoint({
    method: "post",
    path: "/auth/login",
    access: "credentials",
    dpop: "binds",
    tag: "Sign in",
    summary: "Log in with username and password",
    description:
      "Starts a session. The tokens come in the body or as cookies, depending on `transport`. `device` is the session's name in the person's list.",
    body: { format: "json", schema: schemas.login },
    success: { status: 200, description: "A session's first token pair.", schema: schemas.pairOrCookies },
    errors: ["invalid_credentials", "too_many_requests", "server_busy"],
    async handle(call) {
      const { issuer, body } = call;
      refuseForeignSignIn(call);
      if (body.transport === "cookie") refuseProofForCookies(call.request);
      const dpop = proofToBind(call.request, issuer.options.issuer);
      const pair = await issuer.login({ ...body, dpop }, withDevice(call, body.device_token));
      return answerPair(call, pair, body.transport ?? "body");
    },
  }),
  endpoint({
    method: "post",
    path: "/auth/reauthenticate",
    access: "access_token",
    tag: "Sign in",
    summary: "Confirm the password again",
    description:
      "Returns an access token with a fresh `auth_time`, and the caller's current refresh token; nothing is rotated. A caller that sends cookies gets cookies.",
    body: { format: "json", schema: schemas.reauthentication },
    success: { status: 200, description: "A pair with a fresh `auth_time`.", schema: schemas.pairOrCookies },
    errors: ["wrong_password", "access_token_replaced", "session_expired", "too_many_requests", "server_busy"],
    async handle(call) {
      const { issuer, body, auth, byCookie } = call;
      const transport = transportOfSession(call);
      // The cookies have proved with the CSRF token where they come from.
      if (!byCookie) refuseForeignSignIn(call);
      if (transport === "cookie") refuseProofForCookies(call.request);
      return answerPair(call, await issuer.reauthenticate(auth, body.password, call.origin), transport);
    },
  }),
  endpoint({
    method: "post",
    path: "/auth/password",
    access: "access_token",
    tag: "Sign in",
    summary: "Change one's password",
    description:
      "Opens a new session and ends every earlier one of the person in the same transaction, including the session that asks: copies of its tokens are worthless afterwards. The answer is the pair of the new session, which keeps the client, device, scope, key and own claims of the session that asked. A caller that sends cookies gets cookies.",
    body: { format: "json", schema: schemas.passwordChange },
    success: {
      status: 200,
      description: "The password is changed. The new session's first pair.",
      schema: schemas.pairOrCookies,
    },
    errors: ["wrong_password", "password_rejected", "session_expired", "too_many_requests", "server_busy"],
    async handle(call) {
      const { issuer, body, auth, byCookie } = call;
      const transport = transportOfSession(call);
      // The cookies have proved with the CSRF token where they come from.
      if (!byCookie) refuseForeignSignIn(call);
      if (transport === "cookie") refuseProofForCookies(call.request);
      const { current_password: currentPassword, new_password: newPassword } = body;
      const pair = await issuer.users.changePassword(
        { userId: auth.sub, currentPassword, newPassword, sessionId: auth.sid, jkt: auth.cnf?.jkt },
        call.origin,
      );
      return answerPair(call, pair, transport);
    },
  }),
  endpoint({
    method: "get",
    path: "/auth/me",
    access: "access_token",
    tag: "Sign in",
    summary: "Who is signed in",
    description: "The person to whom the access token belongs, with their current roles.",
    success: { status: 200, description: "The signed-in user.", schema: schemas.user },
    async handle({ issuer, respond, auth }) {
      const user = await issuer.users.find(auth.sub);
      if (user === null) throw new LatchkeyError("session_revoked");
      return respond.json(userBody(user));
    },
  }),
];

/** What the public may know about a user. */
export function userBody({ id, username, roles }: User) {
  return { id, username, roles };
}

/**
 * The origin with what the device is recognised by, from the body or from its cookie. Only routes that take JSON ask for it, which no page of another site can
 * send with the cookies: it could use up the attempts of the person's own device.
 */
function withDevice({ origin, cookies, request }: Call<unknown, unknown>, sent: string | undefined): RequestContext {
  return { ...origin, deviceToken: sent ?? cookies.read(request.headers).device };
}

/**
 * How the tokens for a signed-in caller are sent.
 * @throws LatchkeyError `invalid_request` for tokens from cookies that are to go into the body: a script could read there what
 *   HttpOnly keeps from it.
 */
function transportOfSession({
  body,
  byCookie,
}: Call<AccessTokenClaims, { readonly transport?: Transport | undefined }>): Transport {
  const { transport = byCookie ? "cookie" : "body" } = body;
  if (!byCookie || transport === "cookie") return transport;
  throw new LatchkeyError("invalid_request", {
    description: "Tokens in cookies stay in cookies. Omit 'transport', or send the access token as a bearer token.",
  });
}

/** A page of another site must not be able to sign its visitor in as another user (login CSRF). */
function refuseForeignSignIn({
  issuer,
  options,
  request,
  body,
}: Call<unknown, { readonly transport?: "body" | "cookie" | undefined }>): void {
  if (body.transport !== "cookie") return;
  const ownOrigin = issuer.origin;
  refuseCrossSite(request, ownOrigin, options.allowedOrigins);
  refuseDroppedCookies(request, ownOrigin, issuer.options.cookies.sameSite);
}
