import { createInterface } from "node:readline";
import { type Readable, Writable } from "node:stream";
import { OperatorError } from "./failure.ts";
import { printable } from "./process/redaction.ts";

/** What a command talks to: the process's own streams, or others in a test. */
export interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean | undefined };
  /** Results. */
  readonly out: (text: string) => void;
  /** Everything else: questions, notes, errors. */
  readonly err: (text: string) => void;
  /** Whether a person reads the results, rather than a file or a program. */
  readonly outIsTerminal: boolean;
  readonly outHasColours: boolean;
}

/** The terminal, or the pipes, that this process was started with. */
export function processTerminal(): Terminal {
  return {
    input: process.stdin,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    outIsTerminal: process.stdout.isTTY === true,
    // Node minds NO_COLOR and dumb terminals.
    outHasColours: process.stdout.isTTY === true && process.stdout.hasColors(),
  };
}

const MOST_PASSWORD_BYTES = 4096;

/**
 * A new password: typed twice without echo, or with `fromInput` all of the standard input but a line feed at its end.
 * @throws OperatorError when the two differ, nothing was given, or there is nobody to ask.
 */
export async function askNewPassword(
  terminal: Terminal,
  { fromInput }: { readonly fromInput: boolean },
): Promise<string> {
  if (fromInput) return readPassword(terminal.input);
  if (terminal.input.isTTY !== true) {
    throw new OperatorError("No terminal is available to ask for the password. Pipe it in and add --password-stdin.");
  }
  const password = await askSecret(terminal, "Password: ");
  if ((await askSecret(terminal, "Once more: ")) !== password) {
    throw new OperatorError("The two passwords differ. Nothing was changed.");
  }
  if (password === "") throw new OperatorError("No password was entered. Nothing was changed.");
  return password;
}

async function readPassword(input: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > MOST_PASSWORD_BYTES) throw new OperatorError("The standard input is too long for a password.");
    chunks.push(buffer);
  }
  const password = Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
  if (password === "") throw new OperatorError("The standard input is empty. Pipe the password in.");
  if (/[\r\n]/.test(password))
    throw new OperatorError("The standard input has more than one line. Pipe in the password alone.");
  return password;
}

function askSecret({ input, err }: Terminal, question: string): Promise<string> {
  // readline edits the line as usual, and what it would echo goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output: nowhere, terminal: true, historySize: 0 });
  err(question);
  return new Promise<string>((resolve, reject) => {
    const cancelled = () => reject(new OperatorError("Cancelled. Nothing was changed."));
    lines.once("SIGINT", cancelled);
    lines.once("close", cancelled);
    lines.once("line", resolve);
  }).finally(() => {
    lines.close();
    err("\n");
  });
}

/** Rows under their titles, in columns. What users have chosen cannot break out of its cell. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [titles, ...rows.map((row) => row.map(safeCell))];
  const widths = titles.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** A time for people to read and to sort by: UTC, to the second; `-` for none. */
export function instant(milliseconds: number | null): string {
  return milliseconds === null ? "-" : new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
}

function safeCell(text: string): string {
  return printable(JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("\\\\", "\\"));
}
