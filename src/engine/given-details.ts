import { checkOwnClaims } from "../access-token/own-claims.ts";
import type { JsonValue } from "../json.ts";

/**
 * What an application specifies for a session that it opens, other than the subject. It may be any object, so no part
 * of it is kept.
 */
interface GivenDetails {
  readonly clientId?: string | null | undefined;
  readonly device?: string | null | undefined;
  readonly scope?: string | null | undefined;
  readonly amr?: readonly string[] | null | undefined;
  readonly claims?: Readonly<Record<string, JsonValue>> | null | undefined;
}

/** The same as it is stored in the session: texts, and frozen copies of the rest. `undefined` for what was omitted. */
export interface SessionDetails {
  readonly clientId: string | undefined;
  readonly device: string | undefined;
  readonly scope: string | undefined;
  readonly amr: readonly string[] | undefined;
  readonly claims: Readonly<Record<string, JsonValue>> | undefined;
}

/**
 * Reads everything once, and checks what was read: a getter, a proxy, a `toJSON` or a change while the session is
 * stored must not put unchecked values into an access token.
 * @throws TypeError naming what is wrong.
 */
export function copyDetails({ clientId, device, scope, amr, claims }: GivenDetails): SessionDetails {
  const methods = amr == null ? undefined : copyTexts(amr);
  if (amr != null && methods === undefined) {
    throw new TypeError("Option 'amr' must be a list of non-empty strings.");
  }
  return {
    clientId: optionalText("clientId", clientId),
    device: optionalText("device", device),
    scope: optionalText("scope", scope),
    amr: methods,
    claims: claims == null ? undefined : checkOwnClaims(claims),
  };
}

/** A frozen copy of a list of non-empty texts, or `undefined` for anything else. */
export function copyTexts(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const copied: readonly unknown[] = Object.freeze(Array.from(value));
  return copied.every(isText) ? copied : undefined;
}

/** @throws TypeError naming each value that is neither a text nor omitted. */
export function optionalText(name: string, value: unknown): string | undefined {
  if (value == null) return undefined;
  if (typeof value !== "string") throw new TypeError(`Option '${name}' must be a string.`);
  return value;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
