import type { z } from "@hono/zod-openapi";
import { LatchkeyError } from "../../errors.ts";

/**
 * The parameters that a route accepts in its query string. Every parameter is a text there, so the schema reads texts.
 */
export type QueryRule = z.ZodObject;

/**
 * Reads and validates a query string.
 * @throws LatchkeyError `invalid_request` naming the parameter; one that appears twice is refused as well.
 */
export function readQuery<Schema extends QueryRule>(url: string, schema: Schema): z.output<Schema> {
  const parameters = new URL(url).searchParams;
  const given: Record<string, string> = Object.create(null);
  for (const [name, value] of parameters) {
    if (name in given) {
      throw new LatchkeyError("invalid_request", { description: "A parameter appears twice in the query string." });
    }
    given[name] = value;
  }
  const parsed = schema.safeParse({ ...given });
  if (!parsed.success) {
    throw new LatchkeyError("invalid_request", { description: describe(parsed.error, schema) });
  }
  return parsed.data;
}

/** One sentence for each thing wrong. An unknown name is not repeated: it may be a secret in the wrong place. */
function describe(error: z.ZodError, schema: QueryRule): string {
  const known = Object.keys(schema.shape).map((name) => `'${name}'`);
  const sentences = error.issues.map(({ code, path, message }) =>
    code === "unrecognized_keys"
      ? `The query string accepts only ${known.join(" and ")}.`
      : `'${path.join(".")}' ${message}.`,
  );
  return sentences.join(" ");
}
