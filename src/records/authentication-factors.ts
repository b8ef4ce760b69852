// The kinds of evidence of NIST SP 800-63, each with the values of RFC 8176 section 2 that prove it.
const KNOWLEDGE = ["pwd", "pin", "kba"];
const POSSESSION = ["otp", "hwk", "swk", "sms", "tel", "sc", "pop"];
const INHERENCE = ["face", "fpt", "iris", "retina", "vbm"];

/** How strongly a person has authenticated. */
export interface AuthenticationStrength {
  /** The number of kinds of factors: something they know, have, or are. At least 1. */
  readonly factors: number;
  /** The authentication context class (OpenID Connect Core section 2): `urn:latchkey:2` for at least two factors. */
  readonly acr: "urn:latchkey:1" | "urn:latchkey:2";
}

/**
 * The strength of authentication methods (RFC 8176). Unknown methods add nothing; `mfa` alone means that there were
 * two.
 */
export function strengthOf(amr: readonly string[] | null): AuthenticationStrength {
  const methods = new Set(amr);
  const kinds = [KNOWLEDGE, POSSESSION, INHERENCE].filter((kind) => kind.some((method) => methods.has(method))).length;
  const factors = Math.max(kinds, methods.has("mfa") ? 2 : 1);
  return { factors, acr: factors > 1 ? "urn:latchkey:2" : "urn:latchkey:1" };
}
