import type { Command } from "commander";
import type { KeyDescription } from "../../signing/key-ring.ts";
import { instant, type Terminal, table } from "../terminal.ts";
import { withIssuer } from "../with-issuer.ts";

/** `latchkey key …` */
export function addKeyCommands(program: Command, terminal: Terminal): void {
  const key = program.command("key").description("the keys that sign access tokens");

  key
    .command("list")
    .description("the next, the current and the retired keys")
    .option("--json", "print JSON")
    .action(({ json }: { json?: true }) =>
      withIssuer(async ({ issuer }) => {
        const keys = issuer.listKeys().toSorted(inOrderOfUse);
        terminal.out(json ? `${JSON.stringify(keys.map(keyJson), undefined, 2)}\n` : keyTable(keys));
      }),
    );

  key
    .command("rotate")
    .description("make the next key the one that signs; a running server follows within ten seconds")
    .option("--force", "even if verifiers that cache the JWKS do not have it yet, and so refuse its tokens for a while")
    .action(({ force }: { force?: true }) =>
      withIssuer(async ({ issuer }) => {
        const { kid, alg } = await issuer.rotateKeys({ force: force === true });
        terminal.out(
          `The key ${kid} (${alg}) signs now. What the key before it has signed stays good until it expires.\n`,
        );
      }),
    );
}

const stateOrder = { next: 0, current: 1, retired: 2 } as const;

/** Those that will sign, the one that does, those that did, newest first. */
function inOrderOfUse(one: KeyDescription, other: KeyDescription): number {
  return stateOrder[one.state] - stateOrder[other.state] || other.createdAt - one.createdAt;
}

function keyJson({ kid, alg, state, createdAt, activatedAt, retiredAt }: KeyDescription): object {
  const iso = (at: number | null) => (at === null ? null : new Date(at).toISOString());
  return { kid, alg, state, created_at: iso(createdAt), activated_at: iso(activatedAt), retired_at: iso(retiredAt) };
}

function keyTable(keys: readonly KeyDescription[]): string {
  return table(
    ["KID", "ALG", "STATE", "CREATED", "SIGNS FROM", "RETIRED", "VERIFIES UNTIL"],
    keys.map((key) => [
      key.kid,
      key.alg,
      key.state,
      instant(key.createdAt),
      instant(key.activatedAt ?? key.signsFrom),
      instant(key.retiredAt),
      instant(key.verifiesUntil),
    ]),
  );
}
