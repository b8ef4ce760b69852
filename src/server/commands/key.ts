import type { Command } from "commander";
import type { KeyDescription } from "../../signing/key-ring.ts";
import { OperatorError } from "../failure.ts";
import type { OpenedIssuer } from "../open-issuer.ts";
import { instant, type Terminal, table } from "../terminal.ts";
import { withIssuer } from "../with-issuer.ts";

/** `latchkey key …` */
export function addKeyCommands(program: Command, terminal: Terminal): void {
  const key = program.command("key").description("the keys that sign access tokens");

  key
    .command("list")
    .description("list the next, the current and the retired keys")
    .option("--json", "print JSON")
    .action(({ json }: { json?: true }) =>
      withIssuer(async ({ issuer }) => {
        const keys = issuer.keys.list().toSorted(inOrderOfUse);
        terminal.out(json ? `${JSON.stringify(keys.map(keyJson), undefined, 2)}\n` : keyTable(keys));
      }),
    );

  key
    .command("rotate")
    .description("start to sign with the next key; a running server follows within ten seconds")
    .option(
      "--force",
      "even if verifiers that cache the JWKS do not have the key yet and refuse its tokens for a while",
    )
    .action(({ force }: { force?: true }) =>
      withIssuer(async ({ issuer }) => {
        const { kid, alg } = await issuer.keys.rotate({ force: force === true });
        terminal.out(
          `The key ${kid} (${alg}) signs now. Access tokens signed with the previous key stay valid until they expire.\n`,
        );
      }),
    );

  key
    .command("remove")
    .description("remove a key that has leaked: what it has signed is refused at once, and nobody is signed out")
    .argument("<kid>", "the key's id, as 'latchkey key list' shows it")
    .option("--yes", "go ahead, though access tokens are in use that it has signed")
    .action((kid: string, { yes }: { yes?: true }) =>
      withIssuer(async (opened) => {
        const key = findKey(opened, kid);
        // A next key has signed nothing yet.
        if (yes !== true && key.state !== "next") throw new OperatorError(await consequences(opened, key));
        const { issuer } = opened;
        const { state, alg } = await issuer.keys.remove(kid);
        const current = issuer.keys.list().find((one) => one.state === "current");
        terminal.out(
          `Removed the ${state} key ${kid} (${alg}). ${current?.kid} (${current?.alg}) signs now. ` +
            "Running servers follow within ten seconds, verifiers elsewhere once their copy of the JWKS has expired, " +
            `${issuer.options.jwksMaxAgeSeconds} s at the latest.\n`,
        );
      }),
    );
}

/** What the removal means, for the operator to confirm. */
async function consequences({ issuer, store }: OpenedIssuer, key: KeyDescription): Promise<string> {
  const { environment, jwksMaxAgeSeconds } = issuer.options;
  const { liveSessions } = await store.count(environment.clock.now());
  const next = issuer.keys.list().find(({ state }) => state === "next");
  const successor =
    key.state === "current" && next !== undefined ? ` The next key, ${next.kid}, would sign from then on.` : "";
  return (
    `This would remove the ${key.state} key ${key.kid}. Every access token that it has signed would be refused: those of up to ` +
    `${liveSessions === 1 ? "1 live session" : `${liveSessions} live sessions`}, and those of clients. ` +
    `Nobody is signed out: each session gets a new access token with its next refresh.${successor} ` +
    `Verifiers elsewhere accept the old tokens until their copy of the JWKS expires, ${jwksMaxAgeSeconds} s at the latest. ` +
    "Re-run with --yes to proceed."
  );
}

function findKey({ issuer }: OpenedIssuer, kid: string): KeyDescription {
  const key = issuer.keys.list().find((one) => one.kid === kid);
  if (key === undefined) throw new OperatorError("No signing key has this kid. 'latchkey key list' shows all of them.");
  return key;
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
