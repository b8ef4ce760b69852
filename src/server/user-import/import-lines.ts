import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { OperatorError, systemErrorCode } from "../failure.ts";

/** One line of a file, or why it cannot be read. */
export type Line =
  | { readonly line: number; readonly text: string }
  | { readonly line: number; readonly problem: string };

const MOST_FILE_BYTES = 1024 ** 3;
const MOST_LINE_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;

/** The name for the standard input. Opened by name, it could not be read where it is a socket. */
const STANDARD_INPUT = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/**
 * The whole of a file, a pipe or, for `-`, the standard input. It is read once, since a pipe can be read only once, and a file
 * could be another one the second time.
 * @throws OperatorError where it cannot be read, is larger than 1 GiB, or is not UTF-8 by its first bytes.
 */
export async function readImportFile(file: string, standardInput: Readable): Promise<readonly Buffer[]> {
  const isStandardInput = STANDARD_INPUT.includes(file);
  const input = isStandardInput ? standardInput : createReadStream(file);
  const name = isStandardInput ? "The standard input" : file;
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of input) {
      const buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
      bytes += buffer.length;
      if (bytes > MOST_FILE_BYTES)
        throw new OperatorError(`${name} is larger than 1 GiB. Split it, and import the parts one by one.`);
      chunks.push(buffer);
    }
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    throw new OperatorError(`${name} cannot be read (${systemErrorCode(error)}). Nothing was imported.`);
  }
  return withoutByteOrderMark(name, chunks);
}

/** Encodings that are not UTF-8, by how a file that begins with a brace is written in them. */
const encodings: readonly (readonly [start: RegExp, name: string])[] = [
  [/^(?:fffe0000|0000feff|7b000000|0000007b)/, "UTF-32"],
  [/^(?:fffe|feff|7b00|007b)/, "UTF-16"],
  [/^1f8b/, "gzip"],
];

function withoutByteOrderMark(name: string, chunks: readonly Buffer[]): readonly Buffer[] {
  // A pipe may bring a single byte first.
  const head = Buffer.concat(chunks.slice(0, 4)).subarray(0, 4);
  const encoding = encodings.find(([start]) => start.test(head.toString("hex")))?.[1];
  if (encoding !== undefined) {
    const remedy = encoding === "gzip" ? "Decompress it" : `Convert it to UTF-8 ('iconv -f ${encoding} -t UTF-8')`;
    throw new OperatorError(
      `${name} is in ${encoding}, not in UTF-8. ${remedy}, then try again. Nothing was imported.`,
    );
  }
  if (head.subarray(0, 3).toString("hex") !== "efbbbf") return chunks;
  const whole = [...chunks];
  for (let skip = 3; skip > 0; ) {
    const [first] = whole;
    if (first!.length > skip) {
      whole[0] = first!.subarray(skip);
      break;
    }
    skip -= first!.length;
    whole.shift();
  }
  return whole;
}

/** The lines that are not empty. One that is too long or is not UTF-8 comes as a problem, and the others follow. */
export function* linesOf(chunks: readonly Buffer[]): Generator<Line> {
  let line = 1;
  let parts: Buffer[] = [];
  let bytes = 0;
  const add = (part: Buffer) => {
    bytes += part.length;
    // Of an endless line no more is kept than shows that it is one.
    if (bytes - part.length <= MOST_LINE_BYTES) parts.push(part);
  };
  const take = () => {
    const taken = { line, parts, bytes };
    [line, parts, bytes] = [line + 1, [], 0];
    return taken;
  };
  for (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      add(chunk.subarray(start, end));
      start = end + 1;
      yield* lineOf(take());
    }
    add(chunk.subarray(start));
  }
  yield* lineOf(take());
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function* lineOf({ line, parts, bytes }: { line: number; parts: readonly Buffer[]; bytes: number }): Generator<Line> {
  if (bytes > MOST_LINE_BYTES) {
    yield { line, problem: "it is longer than 64 KiB" };
    return;
  }
  try {
    const text = utf8.decode(Buffer.concat(parts));
    if (text.trim() !== "") yield { line, text };
  } catch {
    yield { line, problem: "it is not UTF-8. Convert the file, for example with 'iconv -f ISO-8859-1 -t UTF-8'" };
  }
}

/**
 * A name that a JSON object has twice, which `JSON.parse` takes the last of; `undefined` where there is none.
 * @param text JSON that has been parsed, so that it is well-formed, and is an object.
 */
export function repeatedName(text: string): string | undefined {
  const seen = new Set<string>();
  // A string with what follows it, or a bracket. Outside of strings there are no quotation marks.
  const tokens = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g;
  let depth = 0;
  for (const [token, colon] of text.matchAll(tokens)) {
    if (token === "{" || token === "[") depth += 1;
    else if (token === "}" || token === "]") depth -= 1;
    else if (colon !== undefined && depth === 1) {
      const name: string = JSON.parse(token.slice(0, token.lastIndexOf(":")));
      if (seen.has(name)) return name;
      seen.add(name);
    }
  }
  return undefined;
}
