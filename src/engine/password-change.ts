import { LatchkeyError } from "../errors.ts";
import { type Session, sessionStatus } from "../records/session.ts";
import { sessionsOf } from "./announce-revoked.ts";
import type { EngineParts } from "./engine.ts";
import type { RequestContext } from "./events.ts";
import { newSession } from "./new-session.ts";
import { reportingFailures } from "./throttling/login-failures.ts";
import type { TokenPair } from "./token-pair.ts";

/** The parameters of `changePassword`. */
export interface PasswordChangeRequest {
  readonly userId: string;
  readonly currentPassword: string;
  readonly newPassword: string;
  /**
   * The session in which the password is changed: the `sid` of its access token. It ends like every other session, and
   * the new one inherits its client, device, scope, `amr`, own claims and key. Default: none; the new session is then a
   * first-party one, with `amr` `["pwd"]`.
   */
  readonly sessionId?: string | undefined;
  /** The `cnf.jkt` of that access token, to which the new one is bound as well. Default: the key of the session, if it has one. */
  readonly jkt?: string | undefined;
}

/**
 * Changes passwords. Copies of the person's tokens end with the originals: a person who changes a password because of a
 * thief must get rid of the thief, even one who shares the same session.
 */
export function createPasswordChange(engine: EngineParts) {
  const { options, store, accounts, usernames, emit, announceRevoked, now } = engine;

  /** The session in which the password is changed, if it can be continued. */
  async function findLive(sessionId: string, userId: string): Promise<Session> {
    const session = await store.findSession(sessionId);
    if (session === null || session.subject !== userId) throw new LatchkeyError("session_revoked");
    const status = sessionStatus(session, now(), options);
    if (status !== "live") throw new LatchkeyError(status === "expired" ? "session_expired" : "session_revoked");
    return session;
  }

  return async function changePassword(
    { userId, currentPassword, newPassword, sessionId, jkt }: PasswordChangeRequest,
    context: RequestContext = {},
  ): Promise<TokenPair> {
    const user = await store.findUser(userId);
    if (user === null) throw new LatchkeyError("session_revoked");
    const from = sessionId === undefined ? null : await findLive(sessionId, userId);
    const origin = {
      ip: context.ip ?? from?.lastIp ?? null,
      userAgent: context.userAgent ?? from?.lastUserAgent ?? null,
    };
    const { session, revoked } = await reportingFailures(emit, context, () =>
      accounts.changePassword({
        user,
        currentPassword,
        newPassword,
        fromSessionId: from?.id ?? null,
        newSession: ({ amr }) => newSession(options, now(), userId, from ?? { amr, jkt: null }, origin),
        address: context.ip ?? null,
        deviceToken: context.deviceToken,
      }),
    );
    usernames.meet(user);
    const why = { reason: "password_changed" } as const;
    const act = { type: "user.password_changed", subject: userId, sessionId: session.id } as const;
    await announceRevoked({ sessions: sessionsOf(userId, revoked), at: now(), why, act }, context);
    const deviceToken = engine.deviceToken((await store.findUser(userId)) ?? user);
    const signing = { fresh: true, jkt: session.jkt ?? jkt };
    return { ...(await engine.sign(session, session.rotation.pendingTo, user.roles, signing)), deviceToken };
  };
}
