import type { BodyCredentials } from "../http/authenticate.ts";

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;
const FORM_TYPE = /^(?:application\/x-www-form-urlencoded|multipart\/form-data)\s*(?:;|$)/i;

const NONE: BodyCredentials = Object.freeze({});

/** The credentials in a body that the framework has parsed: `access_token` of JSON, `csrf_token` of a form. */
export function bodyCredentials(
  contentType: string | undefined,
  request: { readonly body?: unknown },
): BodyCredentials {
  if (contentType === undefined) return NONE;
  const { body } = request;
  if (typeof body !== "object" || body === null) return NONE;
  const text = (name: string) => {
    const value: unknown = Object.hasOwn(body, name) ? body[name as keyof typeof body] : undefined;
    return typeof value === "string" ? value : undefined;
  };
  if (JSON_TYPE.test(contentType)) return { accessToken: text("access_token") };
  return isFormType(contentType) ? { csrfToken: text("csrf_token") } : NONE;
}

/** A body that the framework has parsed, as the client may have sent it. */
export function unparsed(contentType: string | undefined, body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  const text = typeof body === "string" ? body : isFormType(contentType) ? toForm(body) : toJson(body);
  // Parsers replace bytes that are not UTF-8 by U+FFFD, so two passwords could become the same. The handler refuses
  // this byte.
  return text.includes("\u{FFFD}") ? Buffer.of(0xff) : Buffer.from(text);
}

/** Whether the content type is one that an HTML form sends. */
export function isFormType(contentType: string | undefined): boolean {
  return contentType !== undefined && FORM_TYPE.test(contentType);
}

/**
 * Values nested too deeply to be serialized again are omitted from each field: no route accepts such a value, and the
 * response mentions only its type.
 */
function toJson(body: unknown): string {
  try {
    return JSON.stringify(body);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return JSON.stringify(Array.isArray(body) ? [] : Object.fromEntries(Object.entries(body as object).map(flattened)));
  }
}

function flattened([name, value]: [string, unknown]): [string, unknown] {
  if (typeof value !== "object" || value === null) return [name, value];
  return [name, Array.isArray(value) ? [0] : {}];
}

/** Back to name and value; a repeated name, which parsers gather in a list, is repeated again. */
function toForm(body: unknown): string {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(body ?? {})) {
    for (const one of [value].flat()) if (typeof one === "string") form.append(name, one);
  }
  return form.toString();
}
