import type { CountedAttempts } from "../../accounts/throttle.ts";
import { canonicalUsername } from "../../accounts/usernames.ts";
import type { EngineParts } from "../engine.ts";
import type { RequestContext } from "../events.ts";

/** Which limits are lifted. */
export type Lifted = { readonly username: string } | { readonly address: string } | "all";

/** The limits on logins, registrations and reauthentications, as they are counted in the store, for all processes on it. */
export interface Throttles {
  /** At most `limit` of the current counts, in the store's order, after `afterKey`. */
  list(afterKey: string, limit: number): Promise<readonly CountedAttempts[]>;
  /**
   * Lifts the limits that refuse an account's logins, an address's logins and registrations, or all of them, in every
   * process at once; returns how many counts there were. Throws `invalid_username`.
   */
  lift(lifted: Lifted, context?: RequestContext): Promise<number>;
}

/** Joins the throttle to events. */
export function createThrottles({ throttle, store, emit }: EngineParts): Throttles {
  return {
    list: (afterKey, limit) => throttle.list(afterKey, limit),
    async lift(lifted, context = {}) {
      const account = lifted !== "all" && "username" in lifted ? canonicalUsername(lifted.username) : undefined;
      const counts = await throttle.lift(
        account !== undefined ? { account } : (lifted as Exclude<Lifted, { readonly username: string }>),
      );
      // A name that no user has may be a password typed in the wrong place.
      const user = account === undefined ? null : await store.findUserByUsername(account);
      const address = lifted !== "all" && "address" in lifted ? lifted.address : null;
      emit({ type: "throttle.cleared", counts, subject: user?.id ?? null, address }, context);
      return counts;
    },
  };
}
