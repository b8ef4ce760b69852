import type { Command } from "commander";
import { createSecret } from "../settings/secret-file.ts";
import type { Terminal } from "../terminal.ts";

/** `latchkey secret`: needs no configuration, since it is what makes one. */
export function addSecretCommand(program: Command, terminal: Terminal): void {
  program
    .command("secret")
    .description("print a new root secret for LATCHKEY_SECRET")
    .action(() => terminal.out(`${createSecret()}\n`));
}
