import { type ImportedUser, userOfImport } from "../../accounts/user-import.ts";
import { systemEnvironment } from "../../environment.ts";
import { isLatchkeyError } from "../../errors.ts";
import { OperatorError } from "../failure.ts";
import { linesOf, repeatedName } from "./import-lines.ts";
import { readImportTime } from "./import-time.ts";

const NOT_JSON = "it is not JSON";
const MOST_SHOWN = 20;

/** A user, and where they are in the file. */
export interface NumberedUser {
  readonly line: number;
  readonly user: ImportedUser;
}

/**
 * The users of a file, all of whose lines are right.
 * @throws OperatorError naming the first wrong lines, and how many more there are.
 */
export function checkedUsers(chunks: readonly Buffer[]): readonly NumberedUser[] {
  const users: NumberedUser[] = [];
  const mistakes: string[] = [];
  let wrongLines = 0;
  const lineOf = { id: new Map<string, number>(), username: new Map<string, number>() };
  const endsWithLineFeed = chunks.at(-1)?.at(-1) === 0x0a;
  let isLastCut = false;
  for (const read of linesOf(chunks)) {
    const { line } = read;
    const result = "text" in read ? readUser(read.text, line, lineOf) : read;
    isLastCut = "problem" in result && result.problem === NOT_JSON;
    if ("user" in result) users.push({ line, user: result.user });
    else {
      wrongLines += 1;
      // Never repeats what the line holds: there are password hashes in it.
      if (mistakes.length < MOST_SHOWN) mistakes.push(`Line ${line}: ${result.problem.replace(/\.$/, "")}.`);
    }
  }
  if (wrongLines === 0) return users;
  const cut = isLastCut && !endsWithLineFeed ? " The last line is incomplete: the file may be truncated." : "";
  throw new OperatorError(
    wrongLines === 1 ? `${mistakes[0]}${cut} Nothing was imported.` : listed(mistakes, wrongLines, cut),
  );
}

function listed(mistakes: readonly string[], wrongLines: number, cut: string): string {
  const more = wrongLines - mistakes.length;
  const lines = more === 0 ? mistakes : [...mistakes, `and ${more} more.`];
  return `${wrongLines} lines are wrong.${cut} Nothing was imported.\n${lines.map((line) => `  - ${line}`).join("\n")}`;
}

type ReadUser = { readonly user: ImportedUser } | { readonly problem: string };

/** One user, whose id and name no line before has. */
function readUser(
  text: string,
  line: number,
  lineOf: Readonly<Record<"id" | "username", Map<string, number>>>,
): ReadUser {
  const parsed = parseUser(text);
  if ("problem" in parsed) return parsed;
  try {
    // The time of creation has been looked at already.
    const { id, canonicalUsername: username } = userOfImport(parsed.user, 0);
    for (const [name, value] of Object.entries({ id, username }) as ["id" | "username", string][]) {
      const before = lineOf[name].get(value);
      if (before !== undefined) return { problem: `the ${name} is the same as in line ${before}` };
    }
    lineOf.id.set(id, line);
    lineOf.username.set(username, line);
    return parsed;
  } catch (error) {
    if (isLatchkeyError(error)) return { problem: error.description };
    throw error;
  }
}

function parseUser(text: string): ReadUser {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: NOT_JSON };
  }
  if (Array.isArray(value))
    return { problem: "it is not a JSON object but a list. Write one user a line ('jq -c .[]' does it)" };
  if (typeof value !== "object" || value === null) return { problem: "it is not a JSON object" };
  const { id, username, password_hash: passwordHash, roles, created_at, disabled, ...others } = value as Fields;
  if (Object.keys(others).length > 0) {
    return {
      problem:
        "it has an unknown field; the known ones are id, username, password_hash, roles, created_at and disabled",
    };
  }
  const repeated = repeatedName(text);
  if (repeated !== undefined) return { problem: `it has the field '${repeated}' twice` };
  if (passwordHash === undefined) return { problem: "it has no 'password_hash'; write null for no password" };
  const time =
    created_at === undefined || created_at === null
      ? { milliseconds: undefined }
      : readImportTime(created_at, systemEnvironment.clock.now());
  if ("problem" in time) return time;
  return {
    user: {
      id,
      username,
      passwordHash,
      roles: roles ?? undefined,
      createdAt: time.milliseconds,
      disabled: disabled ?? undefined,
    } as ImportedUser,
  };
}

type Fields = Readonly<Record<string, unknown>>;
