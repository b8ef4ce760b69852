import { createReadStream } from "node:fs";
import type { Command } from "commander";
import { type ImportedUser, userOfImport } from "../../accounts/user-import.ts";
import { isLatchkeyError } from "../../errors.ts";
import { OperatorError, systemErrorCode } from "../failure.ts";
import type { Terminal } from "../terminal.ts";
import { withIssuer } from "../with-issuer.ts";

/** `latchkey user import` */
export function addUserImportCommand(user: Command, terminal: Terminal): void {
  user
    .command("import")
    .description("create users of another system, with their password hashes; may be done again")
    .argument("<file>", "one user a line as JSON: id, username, password_hash, and roles, created_at, disabled")
    .action((file: string) =>
      withIssuer(
        async ({ issuer, store }) => {
          await checkFile(file);
          const totals = { created: 0, known: 0 };
          const conflicts: string[] = [];
          for await (const batch of batches(readUsers(file))) {
            const results = await issuer.users.import(batch.map(({ user }) => user));
            for (const [index, result] of results.entries()) {
              if (result === "created" || result === "known") totals[result] += 1;
              else conflicts.push(`line ${batch[index]!.line}: ${explanations[result]}`);
            }
          }
          terminal.out(
            `Imported ${counted(totals.created)} into ${store.description}; ${counted(totals.known)} were there already.\n`,
          );
          if (conflicts.length > 0) throw new OperatorError(notImported(conflicts));
        },
        { mayCreate: true },
      ),
    );
}

const explanations = {
  id_taken: "the id is another user's",
  username_taken: "the username is another user's",
} as const;

const MOST_LINE_CHARACTERS = 64 * 1024;
const MOST_CONFLICTS_SHOWN = 20;
const BATCH = 500;

interface NumberedUser {
  readonly line: number;
  readonly user: ImportedUser;
}

/** Reads the whole file once before anything is written, so that a mistake in its last line leaves nothing half done. */
async function checkFile(file: string): Promise<void> {
  const lineOf = { id: new Map<string, number>(), username: new Map<string, number>() };
  for await (const { line, user } of readUsers(file)) {
    const { id, canonicalUsername: username } = checked(line, user);
    for (const [name, value] of Object.entries({ id, username }) as ["id" | "username", string][]) {
      const before = lineOf[name].get(value);
      if (before !== undefined) throw mistake(line, `the ${name} is that of line ${before}`);
      lineOf[name].set(value, line);
    }
  }
}

function checked(line: number, user: ImportedUser) {
  try {
    // The time of creation decides nothing here.
    return userOfImport(user, 0);
  } catch (error) {
    if (isLatchkeyError(error)) throw mistake(line, error.description);
    throw error;
  }
}

async function* readUsers(file: string): AsyncGenerator<NumberedUser> {
  const input = createReadStream(file, { encoding: "utf8" });
  let line = 0;
  try {
    for await (const text of linesOf(input)) {
      line += 1;
      if (text.trim() !== "") yield { line, user: parseUser(line, text) };
    }
  } catch (error) {
    if (systemErrorCode(error) !== undefined) {
      throw new OperatorError(`${file} cannot be read (${systemErrorCode(error)}). Nothing was imported.`);
    }
    throw error;
  } finally {
    input.destroy();
  }
}

/** Lines of bounded length: `readline` would gather an endless one. */
async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  let line = 1;
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) {
      yield text;
      line += 1;
    }
    if (rest.length > MOST_LINE_CHARACTERS) throw mistake(line, "it is longer than 64 KiB");
  }
  if (rest !== "") yield rest;
}

function parseUser(line: number, text: string): ImportedUser {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw mistake(line, "it is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw mistake(line, "it is not a JSON object");
  const { id, username, password_hash: passwordHash, roles, created_at, disabled, ...others } = value as Fields;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) {
    throw mistake(line, `it has a field that is none of id, username, password_hash, roles, created_at and disabled`);
  }
  if (passwordHash === undefined) throw mistake(line, "it has no 'password_hash'; null stands for no password");
  const createdAt = created_at === undefined ? undefined : Date.parse(String(created_at));
  return { id, username, passwordHash, roles, createdAt, disabled } as ImportedUser;
}

type Fields = Readonly<Record<string, unknown>>;

async function* batches<Item>(items: AsyncIterable<Item>): AsyncGenerator<readonly Item[]> {
  let batch: Item[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Never repeats what the line holds: there are password hashes in it. */
function mistake(line: number, problem: string): OperatorError {
  return new OperatorError(`Line ${line}: ${problem.replace(/\.$/, "")}. Nothing was imported.`);
}

function notImported(conflicts: readonly string[]): string {
  const shown = conflicts.slice(0, MOST_CONFLICTS_SHOWN).join("; ");
  const more = conflicts.length > MOST_CONFLICTS_SHOWN ? `; and ${conflicts.length - MOST_CONFLICTS_SHOWN} more` : "";
  return `${counted(conflicts.length)} could not be imported: ${shown}${more}. All others are.`;
}

function counted(users: number): string {
  return users === 1 ? "1 user" : `${users} users`;
}
