import type { User } from "../records/user.ts";
import type { UserStore } from "../store/user-store.ts";

/** The usernames of people who have used this process, for its events. */
export interface KnownUsernames {
  of(subject: string): string | undefined;
  meet(user: Pick<User, "id" | "username"> | null): void;
  /**
   * Asks the store for a name that is not known yet. A name that it cannot return now stays unknown: nothing waits for
   * a name.
   */
  learn(subject: string | null): Promise<void>;
}

/** Keeps the names of the last `most` people. A username never changes, so the kept names stay right. */
export function createKnownUsernames(
  store: Pick<UserStore, "findUser">,
  areUsers: boolean,
  most = 10_000,
): KnownUsernames {
  const names = new Map<string, string>();

  function meet(user: Pick<User, "id" | "username"> | null): void {
    if (user === null || names.has(user.id)) return;
    const [oldest] = names.keys();
    if (names.size >= most && oldest !== undefined) names.delete(oldest);
    names.set(user.id, user.username);
  }

  return {
    of: (subject) => names.get(subject),
    meet,
    async learn(subject) {
      if (!areUsers || subject === null || names.has(subject)) return;
      meet(await store.findUser(subject).catch(() => null));
    },
  };
}
