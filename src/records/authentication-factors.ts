// The kinds of evidence of NIST SP 800-63 and the values of RFC 8176 section 2 that each is proved by.
const KNOWLEDGE = ["pwd", "pin", "kba"];
const POSSESSION = ["otp", "hwk", "swk", "sms", "tel", "sc", "pop"];
const INHERENCE = ["face", "fpt", "iris", "retina", "vbm"];

/** How surely a person has proved who they are. */
export interface AuthenticationStrength {
  /** How many kinds of factors: what they know, what they have, what they are. At least 1. */
  readonly factors: number;
  /** The authentication context class (OpenID Connect Core section 2): `urn:latchkey:2` for two factors or more. */
  readonly acr: "urn:latchkey:1" | "urn:latchkey:2";
}

/** The strength of authentication methods (RFC 8176). Unknown ones add nothing; `mfa` says by itself that there were two. */
export function strengthOf(amr: readonly string[] | null): AuthenticationStrength {
  const methods = new Set(amr);
  const kinds = [KNOWLEDGE, POSSESSION, INHERENCE].filter((kind) => kind.some((method) => methods.has(method))).length;
  const factors = Math.max(kinds, methods.has("mfa") ? 2 : 1);
  return { factors, acr: factors > 1 ? "urn:latchkey:2" : "urn:latchkey:1" };
}
