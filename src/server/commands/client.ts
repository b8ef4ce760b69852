import { type Command, Option } from "commander";
import { type ClientDescription, clientGrantTypes } from "../../engine/groups/clients.ts";
import type { GrantType } from "../../records/client.ts";
import { instant, type Terminal, table } from "../terminal.ts";
import { withIssuer } from "../with-issuer.ts";
import { collect, type ListOptions, limitOption, noteMore } from "./list-options.ts";

interface AddOptions {
  readonly public?: true;
  readonly grant?: readonly GrantType[];
  readonly scope: readonly string[];
}

/** `latchkey client …` */
export function addClientCommands(program: Command, terminal: Terminal): void {
  const client = program.command("client").description("the programs that request tokens at /token");

  client
    .command("add")
    .description("create a client; its secret is shown once")
    .argument("<name>", "a name for your lists and logs")
    .option("--public", "create a client without a secret, for programs that cannot keep one")
    .option(
      "--grant <grant>",
      `allow a grant: ${clientGrantTypes.join(", ")}; may be repeated (client_credentials; refresh_token with --public)`,
      collect,
    )
    .option("--scope <scope>", "allow a scope; may be repeated", collect, [])
    .action((name: string, { public: isPublic, grant, scope }: AddOptions) =>
      withIssuer(async ({ issuer, store }) => {
        const created = await issuer.clients.create({
          name,
          kind: isPublic ? "public" : "confidential",
          grantTypes: grant,
          scope: scope.join(" "),
        });
        terminal.out(`Created the ${created.client.kind} client ${name} in ${store.description}.\n`);
        terminal.out(`client_id      ${created.client.id}\n`);
        if (created.secret === null) return;
        terminal.out(`client_secret  ${created.secret}\n`);
        terminal.err("Keep the secret now: only its hash is stored, so it cannot be shown again.\n");
      }),
    );

  client
    .command("list")
    .description("list clients, oldest first")
    .addOption(new Option("--after <id>", "start after this id").default("", "the first"))
    .addOption(limitOption())
    .option("--json", "print JSON")
    .action(({ after, limit, json }: ListOptions & { after: string }) =>
      withIssuer(async ({ issuer }) => {
        const found = await issuer.clients.list({ afterId: after, limit: limit + 1 });
        const clients = found.slice(0, limit);
        terminal.out(json ? `${JSON.stringify(clients.map(clientJson), undefined, 2)}\n` : clientTable(clients));
        if (found.length > limit) noteMore(terminal, `--after ${clients.at(-1)?.id} shows the next page`);
      }),
    );

  client
    .command("disable")
    .description("disable a client, and revoke its sessions and its own access tokens")
    .argument("<id>", "the client_id")
    .action((id: string) =>
      withIssuer(async ({ issuer }) => {
        const { name } = await issuer.clients.disable(id);
        terminal.out(`Disabled ${name}. A running server refuses its access tokens within a second.\n`);
      }),
    );

  client
    .command("enable")
    .description("enable a disabled client again")
    .argument("<id>", "the client_id")
    .action((id: string) =>
      withIssuer(async ({ issuer }) => {
        const { name } = await issuer.clients.enable(id);
        terminal.out(`Enabled ${name}. Sessions and tokens revoked when it was disabled stay revoked.\n`);
      }),
    );
}

function clientJson({ id, name, kind, grantTypes, scope, createdAt, disabledAt }: ClientDescription): object {
  return {
    id,
    name,
    kind,
    grant_types: grantTypes,
    scope,
    created_at: new Date(createdAt).toISOString(),
    disabled_at: disabledAt === null ? null : new Date(disabledAt).toISOString(),
  };
}

function clientTable(clients: readonly ClientDescription[]): string {
  return table(
    ["ID", "NAME", "KIND", "GRANTS", "SCOPE", "CREATED", "DISABLED"],
    clients.map(({ id, name, kind, grantTypes, scope, createdAt, disabledAt }) => [
      id,
      name,
      kind,
      grantTypes.join(",") || "-",
      scope || "-",
      instant(createdAt),
      instant(disabledAt),
    ]),
  );
}
