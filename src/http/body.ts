import type { z } from "@hono/zod-openapi";
import { LatchkeyError } from "../errors.ts";
import { nearestName } from "../option-names.ts";
import { readBytes } from "./body-bytes.ts";

const JSON_TYPE = /^application\/json(?:\s*;\s*charset="?utf-8"?)?\s*$/;
const FORM_TYPE = /^application\/x-www-form-urlencoded(?:\s*;\s*charset="?utf-8"?)?\s*$/;

const NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,31}$/;
const UNREPEATED_NAME = "A name that is not repeated here";
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** What a route takes as its body. */
export interface BodyRule<Schema extends z.ZodObject = z.ZodObject> {
  readonly format: "json" | "form";
  readonly schema: Schema;
  /** Whether the route also makes sense with no body at all. Default: false. */
  readonly optional?: true;
}

/**
 * Reads and validates a body. No body at all where it is optional gives `undefined`.
 * @throws LatchkeyError `unsupported_media_type`, `payload_too_large`, or `invalid_request` naming the field.
 */
export async function readBody<Schema extends z.ZodObject>(
  request: Request,
  rule: BodyRule<Schema>,
): Promise<z.output<Schema> | undefined> {
  const { headers } = request;
  if (headers.get("content-type") === null && (await hasNoBody(request))) {
    if (rule.optional) return undefined;
    throw unsupportedType(rule);
  }
  refuseOtherTypes(headers, rule);
  const text = decode(await readBytes(request));
  if (text === "" && rule.optional) return undefined;
  const fields = rule.format === "json" ? parseJson(text) : parseForm(text);
  const parsed = rule.schema.safeParse(fields);
  if (!parsed.success) throw new LatchkeyError("invalid_request", { description: describe(parsed.error, rule.schema) });
  return parsed.data;
}

async function hasNoBody(request: Request): Promise<boolean> {
  const { headers } = request;
  const declared = headers.get("content-length");
  if (declared !== null || headers.has("transfer-encoding")) return declared === "0";
  // In HTTP/1.1, which the Host header gives away, every body is announced; elsewhere it shows only in the reading.
  return headers.has("host") || (await readBytes(request)).length === 0;
}

function refuseOtherTypes(headers: Headers, rule: BodyRule): void {
  const type = headers.get("content-type") ?? "";
  if (!(rule.format === "json" ? JSON_TYPE : FORM_TYPE).test(withLowerCaseCharset(type))) throw unsupportedType(rule);
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity") {
    throw new LatchkeyError("unsupported_media_type", {
      description: "Compressed bodies are not taken here. Send it plain.",
    });
  }
}

// Charsets are told apart without regard to case; the type itself is taken only as it is written everywhere.
function withLowerCaseCharset(type: string): string {
  const parameters = type.indexOf(";");
  return parameters === -1 ? type : type.slice(0, parameters) + type.slice(parameters).toLowerCase();
}

function unsupportedType({ format }: BodyRule): LatchkeyError {
  const type = format === "json" ? "application/json" : "application/x-www-form-urlencoded";
  return new LatchkeyError("unsupported_media_type", {
    description: `This route takes a body of content type '${type}'.`,
  });
}

/** Bytes that are not UTF-8 are refused: replaced by a stand-in, two different passwords could become the same. */
function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new LatchkeyError("invalid_request", { description: "The body is not valid UTF-8." });
  }
}

function parseJson(text: string): unknown {
  if (text.trim() === "") throw new LatchkeyError("invalid_request", { description: "The body is empty." });
  try {
    return JSON.parse(text);
  } catch {
    throw new LatchkeyError("invalid_request", { description: "The body is not valid JSON." });
  }
}

/** RFC 6749 section 3.1: a parameter without a value counts as left out, and none may come twice. */
function parseForm(text: string): Record<string, string> {
  const fields: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(text)) {
    if (name in fields)
      throw new LatchkeyError("invalid_request", {
        description: `${NAME.test(name) ? `'${name}'` : UNREPEATED_NAME} stands in the form twice.`,
      });
    fields[name] = value;
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
}

/** One sentence for each thing wrong, naming the field; never what was sent in it. */
function describe(error: z.ZodError, schema: z.ZodObject): string {
  const known = Object.keys(schema.shape);
  return error.issues
    .flatMap((issue) => {
      if (issue.code === "unrecognized_keys") return issue.keys.slice(0, 5).map((key) => unknownField(key, known));
      if (issue.path.length === 0) return [`The body: ${wrongness(issue)}.`];
      const field = `'${issue.path.join(".")}'`;
      return [isMissing(issue) ? `${field} is required.` : `${field}: ${wrongness(issue)}.`];
    })
    .join(" ");
}

function isMissing(issue: z.core.$ZodIssue): boolean {
  return issue.code === "invalid_type" && issue.message.endsWith("received undefined");
}

function wrongness(issue: z.core.$ZodIssue): string {
  return issue.message.replace(/^Invalid input: /, "");
}

function unknownField(key: string, known: readonly string[]): string {
  // It may be a secret put in the wrong place, and comparing an endless name would be work without a bound.
  if (!NAME.test(key)) return `${UNREPEATED_NAME} is not a field of this route.`;
  const nearest = nearestName(key, known);
  return `'${key}' is not a field of this route.${nearest === undefined ? "" : ` Did you mean '${nearest}'?`}`;
}
