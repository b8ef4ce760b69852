import { LatchkeyError } from "../errors.ts";

/** The maximum number of roles of one user. */
const ROLES_MAX = 32;

const ROLE_PATTERN = /^[a-z0-9:_-]{1,64}$/;

/**
 * Roles as they are stored: sorted, each once.
 * @throws LatchkeyError `invalid_request` if one is not 1 to 64 of `a-z 0-9 : _ -`, or there are more than 32.
 */
export function normaliseRoles(roles: readonly string[]): readonly string[] {
  const unique = [...new Set(roles)].sort();
  if (!unique.every((role) => ROLE_PATTERN.test(role))) {
    throw new LatchkeyError("invalid_request", {
      description: "A role has 1 to 64 characters from a-z, 0-9, ':', '_' and '-'.",
    });
  }
  if (unique.length > ROLES_MAX) {
    throw new LatchkeyError("invalid_request", { description: `A user may have at most ${ROLES_MAX} roles.` });
  }
  return unique;
}
