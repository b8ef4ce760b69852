import type { Clock } from "../environment.ts";
import type { User } from "../records/user.ts";
import type { UserStore } from "../store/user-store.ts";
import { isImportedHash } from "./imported-hashes.ts";
import type { Passwords } from "./passwords.ts";

/** The result of checking a password. */
export interface Verified {
  readonly matches: boolean;
  /** The user as stored now: their imported hash may just have been replaced. */
  readonly user: User | null;
}

/** Verifies the password of a user, or does the same work if there is no user. */
export type Verification = (password: string, user: User | null) => Promise<Verified>;

/** How long the cost of the costliest imported hash is cached. */
const REREAD_MS = 60_000;

/**
 * Verifies passwords against hashes of Latchkey's own and of other systems, so that a refusal costs the same work for
 * every user. As long as any imported hash is stored, that work is one of Latchkey's hashes and one as costly as the
 * costliest imported; an imported hash that costs less can still be recognised by the time of its refusal.
 *
 * An imported hash is replaced by one of Latchkey's when its password is first used. That is a compare-and-swap: a
 * password change in between is kept, and the password is then checked against the new hash.
 */
export function createVerification(parts: {
  readonly store: Pick<UserStore, "findLastImportedHash" | "findUser" | "replacePasswordHash">;
  readonly passwords: Passwords;
  readonly clock: Clock;
}): Verification {
  const { store, passwords, clock } = parts;
  let costliest: string | null = null;
  let readAt = Number.NEGATIVE_INFINITY;

  async function costliestImportedHash(): Promise<string | null> {
    const now = clock.now();
    if (Math.abs(now - readAt) > REREAD_MS) {
      costliest = await store.findLastImportedHash();
      readAt = now;
    }
    return costliest;
  }

  /** The kind of work, of the two, that the verification has not done. */
  async function evenOut(password: string, user: User | null): Promise<void> {
    if (user !== null && isImportedHash(user.passwordHash)) {
      await passwords.verifyAgainstNobody(password);
      return;
    }
    const hash = await costliestImportedHash();
    if (hash !== null) await passwords.verify(password, hash);
  }

  async function withOwnHash(password: string, user: User): Promise<Verified> {
    const replacement = {
      userId: user.id,
      expectedHash: user.passwordHash,
      expectedVersion: user.credentialsVersion,
      newHash: await passwords.hash(password),
    };
    if (await store.replacePasswordHash(replacement)) {
      // Not read again: any change since then to the credentials that were verified makes the proof void.
      const { newHash: passwordHash, expectedVersion } = replacement;
      return { matches: true, user: { ...user, passwordHash, credentialsVersion: expectedVersion + 1 } };
    }
    const current = await store.findUser(user.id);
    // Another sign-in has replaced it, or the password has been changed or the user disabled: the current state
    // decides.
    const matches = current !== null && (await passwords.verify(password, current.passwordHash));
    return { matches, user: current };
  }

  return async (password, user) => {
    const matches = await (user === null
      ? passwords.verifyAgainstNobody(password)
      : passwords.verify(password, user.passwordHash));
    if (user === null || !matches || user.disabledAt !== null) {
      await evenOut(password, user);
      return { matches, user };
    }
    return isImportedHash(user.passwordHash) ? withOwnHash(password, user) : { matches, user };
  };
}
