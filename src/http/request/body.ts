import type { z } from "@hono/zod-openapi";
import { LatchkeyError } from "../../errors.ts";
import { nearestName } from "../../nearest-name.ts";
import { readBytes } from "./body-bytes.ts";
import { readMediaType } from "./media-type.ts";

const typeNames = { json: "application/json", form: "application/x-www-form-urlencoded" } as const;
const ASCII = ["us-ascii", "ascii"];
/** Of these, ASCII is a part. */
const CHARSETS = ["utf-8", "utf8", ...ASCII];

const NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,31}$/;
const UNREPEATED_NAME = "A name that is not shown here";
const NOTHING = new Uint8Array();
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The body that a route accepts. */
export interface BodyRule<Schema extends z.ZodObject = z.ZodObject> {
  readonly format: "json" | "form";
  readonly schema: Schema;
  /** Whether the route also makes sense with no body at all. Default: false. */
  readonly optional?: true;
}

/**
 * Reads and validates a body. An empty one, including `{}`, returns `undefined` if it is optional: there, nothing has
 * no type.
 * @throws LatchkeyError `unsupported_media_type`, `payload_too_large`, or `invalid_request` naming the field.
 */
export async function readBody<Schema extends z.ZodObject>(
  request: Request,
  rule: BodyRule<Schema>,
): Promise<z.output<Schema> | undefined> {
  const { headers } = request;
  const type = headers.get("content-type");
  const read = rule.optional && (hasNoBody(headers) ? NOTHING : await readBytes(request));
  if (read?.length === 0) return undefined;
  const charset = charsetOf(type ?? "", rule);
  refuseCompressed(headers);
  const text = decode(read ?? (await readBytes(request)), charset);
  if (text === "" && rule.optional) return undefined;
  const fields = rule.format === "json" ? parseJson(text) : parseForm(text);
  if (rule.optional && isEmptyObject(fields)) return undefined;
  const parsed = rule.schema.safeParse(fields);
  if (!parsed.success) throw new LatchkeyError("invalid_request", { description: describe(parsed.error, rule.schema) });
  return parsed.data;
}

/**
 * In HTTP/1.1, recognised by the Host header, every body is announced; in other versions it is only found by reading.
 */
function hasNoBody(headers: Headers): boolean {
  return headers.has("host") && !headers.has("content-length") && !headers.has("transfer-encoding");
}

/** The declared charset of the body. @throws LatchkeyError if the type or the charset is a different one. */
function charsetOf(type: string, rule: BodyRule): string {
  const { name, charsets } = readMediaType(type) ?? { name: "", charsets: [] };
  const [charset = "utf-8", ...others] = new Set(charsets);
  if (name !== typeNames[rule.format] || others.length > 0 || !CHARSETS.includes(charset)) throw unsupportedType(rule);
  return charset;
}

function refuseCompressed(headers: Headers): void {
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity") {
    throw new LatchkeyError("unsupported_media_type", {
      description: "Compressed bodies are not accepted. Send the body uncompressed.",
    });
  }
}

function unsupportedType({ format }: BodyRule): LatchkeyError {
  return new LatchkeyError("unsupported_media_type", {
    description: `This endpoint requires a body of content type '${typeNames[format]}'.`,
  });
}

function isEmptyObject(fields: unknown): boolean {
  return typeof fields === "object" && fields !== null && !Array.isArray(fields) && Object.keys(fields).length === 0;
}

/**
 * Bytes that are not UTF-8 are refused: with a replacement character, two different passwords could become the same. So
 * are bytes that the declared charset does not allow. A byte order mark is removed.
 */
function decode(bytes: Uint8Array, charset: string): string {
  if (ASCII.includes(charset) && bytes.some((byte) => byte > 0x7f)) {
    throw new LatchkeyError("invalid_request", {
      description: `The content type says ASCII, but the body is not. Send UTF-8, with 'charset=utf-8' or without a charset.`,
    });
  }
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

/** RFC 6749 section 3.1: a parameter without a value counts as omitted, and none may appear twice. */
function parseForm(text: string): Record<string, string> {
  const fields: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(text)) {
    if (name in fields)
      throw new LatchkeyError("invalid_request", {
        description: `${NAME.test(name) ? `'${name}'` : UNREPEATED_NAME} appears twice in the form.`,
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
  // It may be a secret in the wrong place, and comparing a name of unlimited length would be unlimited work.
  if (!NAME.test(key)) return `${UNREPEATED_NAME} is not a field of this endpoint.`;
  const nearest = nearestName(key, known);
  return `'${key}' is not a field of this endpoint.${nearest === undefined ? "" : ` Did you mean '${nearest}'?`}`;
}
