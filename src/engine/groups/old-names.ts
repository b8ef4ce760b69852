import type { Keys } from "./keys.ts";
import type { Sessions } from "./sessions.ts";
import type { Users } from "./users.ts";

/** Members of the issuer under the names they had before they were grouped. They work until 1.0. */
export interface OldNames {
  /** @deprecated Use `sessions.list`. */
  listSessions: Sessions["list"];
  /** @deprecated Use `sessions.revoke`. */
  revokeSession: Sessions["revoke"];
  /** @deprecated Use `sessions.revokeEvery`. */
  revokeEverySession: Sessions["revokeEvery"];
  /** @deprecated Use `sessions.adopt`. */
  adoptSessions: Sessions["adopt"];
  /** @deprecated Use `sessions.endsAt`. */
  sessionEnd: Sessions["endsAt"];
  /** @deprecated Use `sessions.timesShown`. */
  timesShown: Sessions["timesShown"];
  /** @deprecated Use `sessions.idOf`. */
  sessionOf: Sessions["idOf"];
  /** @deprecated Use `sessions.idToEnd`. */
  sessionToEnd: Sessions["idToEnd"];
  /** @deprecated Use `keys.jwks`. */
  jwks: Keys["jwks"];
  /** @deprecated Use `keys.list`. */
  listKeys: Keys["list"];
  /** @deprecated Use `keys.rotate`. */
  rotateKeys: Keys["rotate"];
  /** @deprecated Use `users.deviceToken`. */
  deviceToken: Users["deviceToken"];
}

/** The same functions under their old names. */
export function oldNames(groups: {
  readonly sessions: Sessions;
  readonly keys: Keys;
  readonly users: Users;
}): OldNames {
  const { sessions, keys, users } = groups;
  return {
    listSessions: sessions.list,
    revokeSession: sessions.revoke,
    revokeEverySession: sessions.revokeEvery,
    adoptSessions: sessions.adopt,
    sessionEnd: sessions.endsAt,
    timesShown: sessions.timesShown,
    sessionOf: sessions.idOf,
    sessionToEnd: sessions.idToEnd,
    jwks: keys.jwks,
    listKeys: keys.list,
    rotateKeys: keys.rotate,
    deviceToken: users.deviceToken,
  };
}
