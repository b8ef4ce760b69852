import { required, textOrTexts, wholeNumber, withDefault } from "../option-rules.ts";

// What the issuer and a verifier elsewhere must interpret the same way.

const inAList = (value: string | readonly string[]): readonly string[] =>
  Object.freeze(typeof value === "string" ? [value] : [...value]);

/** The `aud` of access tokens: one, or several; any of them is accepted. */
export const audienceRule = required<readonly string[]>(textOrTexts, inAList);
export const audienceOrIssuerRule = withDefault<readonly string[]>(
  ({ issuer }: { readonly issuer: string }) => Object.freeze([issuer]),
  textOrTexts,
  inAList,
);
/** How far clocks may differ when `exp`, `nbf` and `iat` are checked. */
export const leewayRule = withDefault(5, wholeNumber(0, 60));
/** How many verified access tokens are cached. */
export const verifiedCacheSizeRule = withDefault(10_000, wholeNumber(0, 1_000_000));
