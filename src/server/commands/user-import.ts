import type { Command } from "commander";
import type { Issuer } from "../../issuer.ts";
import { OperatorError } from "../failure.ts";
import type { Terminal } from "../terminal.ts";
import { readImportFile } from "../user-import/import-lines.ts";
import { checkedUsers, type NumberedUser } from "../user-import/import-users.ts";
import { withIssuer } from "../with-issuer.ts";

/** `latchkey user import` */
export function addUserImportCommand(user: Command, terminal: Terminal): void {
  user
    .command("import")
    .description("import users of another system with their password hashes; safe to repeat")
    .argument(
      "<file>",
      "JSON, one user per line, or - for the standard input: id, username, password_hash; optional: roles, created_at, disabled",
    )
    .action((file: string) =>
      withIssuer(
        async ({ issuer, store }) => {
          const users = checkedUsers(await readImportFile(file, terminal.input));
          const { created, known, withoutPassword, conflicts } = await importUsers(issuer, users);
          terminal.out(`Imported ${counted(created)} into ${store.description}; ${counted(known)} already existed.\n`);
          if (withoutPassword > 0) terminal.out(noPassword(withoutPassword));
          if (conflicts.length > 0) throw new OperatorError(notImported(conflicts));
        },
        { mayCreate: true },
      ),
    );
}

const explanations = {
  id_taken: "the id belongs to another user",
  username_taken: "the username belongs to another user",
} as const;

const MOST_SHOWN = 20;
const BATCH = 500;

async function importUsers(issuer: Issuer, users: readonly NumberedUser[]) {
  const totals = { created: 0, known: 0, withoutPassword: 0 };
  const conflicts: string[] = [];
  for (const batch of batches(users)) {
    const results = await issuer.users.import(batch.map(({ user }) => user));
    for (const [index, result] of results.entries()) {
      const { line, user } = batch[index]!;
      if (result === "created" || result === "known") totals[result] += 1;
      else conflicts.push(`line ${line}: ${explanations[result]}`);
      if (result === "created" && user.passwordHash === null) totals.withoutPassword += 1;
    }
  }
  return { ...totals, conflicts };
}

function* batches<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += BATCH) yield items.slice(start, start + BATCH);
}

function noPassword(users: number): string {
  return users === 1
    ? "1 of them has no password and cannot sign in with one until account recovery is released.\n"
    : `${users} of them have no password and cannot sign in with one until account recovery is released.\n`;
}

function notImported(conflicts: readonly string[]): string {
  const shown = conflicts.slice(0, MOST_SHOWN).join("; ");
  const more = conflicts.length > MOST_SHOWN ? `; and ${conflicts.length - MOST_SHOWN} more` : "";
  return `${counted(conflicts.length)} could not be imported: ${shown}${more}. All others were imported.`;
}

function counted(users: number): string {
  return users === 1 ? "1 user" : `${users} users`;
}
