import type { DpopProofs } from "../access-token/used-dpop-proofs.ts";
import type { Accounts } from "../accounts/accounts.ts";
import type { KnownUsernames } from "../accounts/known-usernames.ts";
import type { Throttle } from "../accounts/throttle.ts";
import type { Session } from "../records/session.ts";
import type { User } from "../records/user.ts";
import type { ReplacedAccessTokens } from "../revocations/replaced-access-tokens.ts";
import type { RootKeys } from "../secrets/root-secret.ts";
import type { KeyRing } from "../signing/key-ring.ts";
import type { AccessTokens } from "../signing/sign-access-token.ts";
import type { Store } from "../store/store.ts";
import type { AnnounceRevoked } from "./announce-revoked.ts";
import type { Emit } from "./events.ts";
import type { ResolvedOptions } from "./options.ts";
import type { TokenPair } from "./token-pair.ts";
import type { StallWatch } from "./upkeep/stall-watch.ts";

/** The parts that the issuer's acts share. Only `issuer.ts` creates it. */
export interface EngineParts {
  readonly options: ResolvedOptions;
  readonly store: Store;
  readonly rootKeys: RootKeys;
  readonly keys: KeyRing;
  readonly accessTokens: AccessTokens;
  readonly accounts: Accounts;
  readonly throttle: Throttle;
  readonly proofs: DpopProofs;
  readonly replaced: ReplacedAccessTokens;
  readonly stalls: StallWatch;
  readonly usernames: KnownUsernames;
  readonly emit: Emit;
  /** Records what has just ended, in memory and as events. */
  readonly announceRevoked: AnnounceRevoked;
  /** The token that identifies the device from which the user has just signed in. */
  readonly deviceToken: (user: User) => string;
  /** The one clock, milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Signs a generation's pair, after the generation has been committed. */
  readonly sign: (
    session: Session,
    generation: number,
    roles: readonly string[],
    details?: SigningDetails,
  ) => Promise<TokenPair>;
}

/** Access-token details not derivable from the session. */
export interface SigningDetails {
  /** Whether the person has just proved who they are. Default: false. */
  readonly fresh?: boolean;
  /** Thumbprint of the key that the token is bound to. Default: to none. */
  readonly jkt?: string | undefined;
  /**
   * Whether the session has just been refreshed. Otherwise its end is given as of the last full hour. Default: false.
   */
  readonly isRefresh?: boolean;
}
