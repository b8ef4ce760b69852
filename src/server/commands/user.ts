import { type Command, Option } from "commander";
import { canonicalUsername } from "../../accounts/usernames.ts";
import { isLatchkeyError, LatchkeyError } from "../../errors.ts";
import type { User } from "../../records/user.ts";
import type { UserStore } from "../../store/user-store.ts";
import { OperatorError } from "../failure.ts";
import { askNewPassword, instant, type Terminal, table } from "../terminal.ts";
import { withIssuer } from "../with-issuer.ts";
import { collect, type ListOptions, limitOption, noteMore } from "./list-options.ts";
import { addUserImportCommand } from "./user-import.ts";

/** `latchkey user …` */
export function addUserCommands(program: Command, terminal: Terminal): void {
  const user = program.command("user").description("the people who sign in with a password");

  user
    .command("add")
    .description("create a user; asks for the password, which is never an argument")
    .argument("<username>")
    .option("--role <role>", "add a role; may be repeated", collect, [])
    .option("--password-stdin", "read the password from the standard input")
    .action(async (username: string, { role, passwordStdin }: { role: string[]; passwordStdin?: true }) => {
      const password = await askNewPassword(terminal, { fromInput: passwordStdin === true });
      await withIssuer(
        async ({ issuer, store }) => {
          const created = await issuer.users.create({ username, password, roles: role }).catch(explainTaken);
          terminal.out(`Created ${created.username} (${rolesOf(created)}) in ${store.description}.\n`);
        },
        { mayCreate: true },
      );
    });

  addUserImportCommand(user, terminal);

  user
    .command("list")
    .description("list users by name")
    .option("--after <username>", "start after this name")
    .addOption(limitOption())
    .option("--json", "print JSON")
    .action(({ after, limit, json }: ListOptions & { after?: string }) =>
      withIssuer(async ({ issuer }) => {
        const afterUsername = after === undefined ? "" : canonicalUsername(after);
        const found = await issuer.users.list({ afterUsername, limit: limit + 1 });
        const users = found.slice(0, limit);
        terminal.out(json ? `${JSON.stringify(users.map(userJson), undefined, 2)}\n` : userTable(users));
        if (found.length > limit) noteMore(terminal, `--after '${users.at(-1)?.username}' shows the next page`);
      }),
    );

  user
    .command("disable")
    .description("disable a user, and revoke all their sessions")
    .argument("<username>")
    .action((username: string) =>
      withIssuer(async ({ issuer }) => {
        const disabled = await issuer.users.disable(username);
        terminal.out(`Disabled ${disabled.username}. A running server refuses their access tokens within a second.\n`);
      }),
    );

  user
    .command("enable")
    .description("enable a disabled user again")
    .argument("<username>")
    .action((username: string) =>
      withIssuer(async ({ issuer }) => {
        const enabled = await issuer.users.enable(username);
        terminal.out(`Enabled ${enabled.username}. Sessions revoked when the user was disabled stay revoked.\n`);
      }),
    );

  user
    .command("role")
    .description("show or change a user's roles; a change appears in the next access token")
    .argument("<username>")
    .option("--add <role>", "add a role; may be repeated", collect, [])
    .option("--remove <role>", "remove a role; may be repeated", collect, [])
    .addOption(
      new Option("--set <role>", "replace all roles by this one; may be repeated")
        .argParser(collect)
        .conflicts(["add", "remove"]),
    )
    .action((username: string, change: RoleChange) =>
      withIssuer(async ({ issuer, store }) => {
        const found = await findUser(store, username);
        const roles = changedRoles(found.roles, change);
        const changed = roles === undefined ? found : await issuer.users.setRoles(username, roles);
        terminal.out(`${changed.username}: ${rolesOf(changed)}\n`);
      }),
    );
}

/** A person who has forgotten the password is who this is most often tried for. */
function explainTaken(error: unknown): never {
  if (!isLatchkeyError(error) || error.code !== "username_taken") throw error;
  throw new OperatorError(
    "This username is taken. This version cannot reset another person's password. " +
      "A signed-in person changes it at POST /auth/password. Otherwise create a user with another name, and disable the old one with 'latchkey user disable'.",
  );
}

/** @throws LatchkeyError `not_found`, telling how to find out who there is. */
export async function findUser(store: Pick<UserStore, "findUserByUsername">, username: string): Promise<User> {
  const user = await store.findUserByUsername(canonicalUsername(username));
  if (user !== null) return user;
  throw new LatchkeyError("not_found", {
    description: "No user has this name. 'latchkey user list' shows all users.",
  });
}

interface RoleChange {
  readonly add: readonly string[];
  readonly remove: readonly string[];
  readonly set?: readonly string[];
}

/** The roles after the change; `undefined` where none was asked for. */
function changedRoles(roles: readonly string[], { add, remove, set }: RoleChange): readonly string[] | undefined {
  if (set !== undefined) return set;
  if (add.length === 0 && remove.length === 0) return undefined;
  const missing = remove.find((role) => !roles.includes(role));
  if (missing !== undefined)
    throw new OperatorError(`The user does not have the role '${missing}'. Nothing was changed.`);
  return [...roles.filter((role) => !remove.includes(role)), ...add];
}

function rolesOf({ roles }: User): string {
  return roles.length === 0 ? "no roles" : roles.join(", ");
}

function userJson({ id, username, roles, createdAt, disabledAt }: User): object {
  return {
    id,
    username,
    roles,
    created_at: new Date(createdAt).toISOString(),
    disabled_at: disabledAt === null ? null : new Date(disabledAt).toISOString(),
  };
}

function userTable(users: readonly User[]): string {
  return table(
    ["USERNAME", "ROLES", "CREATED", "DISABLED", "ID"],
    users.map(({ id, username, roles, createdAt, disabledAt }) => [
      username,
      roles.join(",") || "-",
      instant(createdAt),
      instant(disabledAt),
      id,
    ]),
  );
}
