import type { Command } from "commander";
import { type CountedAttempts, keyOfAccount } from "../../accounts/throttle.ts";
import type { Lifted } from "../../engine/throttling/throttles.ts";
import type { Issuer } from "../../issuer.ts";
import { OperatorError } from "../failure.ts";
import { instant, type Terminal, table } from "../terminal.ts";
import { withIssuer } from "../with-issuer.ts";
import { type ListOptions, limitOption, noteMore } from "./list-options.ts";

/** `latchkey throttle …` */
export function addThrottleCommands(program: Command, terminal: Terminal): void {
  const throttle = program.command("throttle").description("the limits on logins, registrations and reauthentications");

  throttle
    .command("list")
    .description("list who is refused by a limit now, and until when")
    .option("--all", "include counts that are below their limit")
    .addOption(limitOption())
    .option("--json", "print JSON")
    .action(({ all, limit, json }: ListOptions & { all?: true }) =>
      withIssuer(async ({ issuer }) => {
        const { found, hasMore } = await listCounted(issuer, limit, all === true);
        const names = await usernamesOf(issuer, found);
        const rows = found.map((one) => ({ ...one, of: names.get(accountOf(one) ?? "") ?? one.of }));
        terminal.out(json ? `${JSON.stringify(rows.map(countJson), undefined, 2)}\n` : countTable(rows));
        if (hasMore) noteMore(terminal, "--limit shows more");
      }),
    );

  throttle
    .command("clear")
    .description("lift the limits on an account's logins or on an address, in every process at once")
    .argument("[username]", "the account")
    .option("--address <address>", "lift the limits on logins and registrations from this address")
    .option("--all", "lift every limit")
    .action((username: string | undefined, { address, all }: { address?: string; all?: true }) =>
      withIssuer(async ({ issuer }) => {
        const counts = await issuer.throttles.lift(whatToLift(username, address, all === true));
        terminal.out(
          counts === 0
            ? "Nothing to lift: no count matches.\n"
            : `Lifted ${counts} ${counts === 1 ? "count" : "counts"}.\n`,
        );
      }),
    );
}

function whatToLift(username: string | undefined, address: string | undefined, all: boolean): Lifted {
  const given = [username, address, all || undefined].filter((one) => one !== undefined);
  if (given.length !== 1) {
    throw new OperatorError("Name one: a username, --address ADDRESS, or --all. Nothing was changed.");
  }
  if (all) return "all";
  return username !== undefined ? { username } : { address: address! };
}

const PAGE = 1000;

/** Those that refuse, or all, as many as are shown. */
async function listCounted(issuer: Issuer, limit: number, all: boolean) {
  const found: CountedAttempts[] = [];
  for (let after = ""; found.length <= limit; ) {
    const page = await issuer.throttles.list(after, PAGE);
    found.push(...page.filter(({ count, most }) => all || count >= most));
    if (page.length < PAGE) break;
    after = page.at(-1)!.key;
  }
  return { found: found.slice(0, limit), hasMore: found.length > limit };
}

/** The digest of the account that a count is of. */
function accountOf({ limit, of }: CountedAttempts): string | undefined {
  const byAccount = ["login-both", "login-device", "login-devices", "login-account", "login-success"];
  return byAccount.includes(limit) ? of.split(" ")[0] : undefined;
}

/** Names by digest, as far as there are users of these names: what strangers have typed as one is not kept. */
async function usernamesOf(issuer: Issuer, counted: readonly CountedAttempts[]): Promise<ReadonlyMap<string, string>> {
  const wanted = new Set(counted.map(accountOf).filter((digest) => digest !== undefined));
  const names = new Map<string, string>();
  for (let afterUsername = ""; names.size < wanted.size; ) {
    const users = await issuer.users.list({ afterUsername, limit: PAGE });
    for (const { canonicalUsername, username } of users) {
      const digest = keyOfAccount(canonicalUsername);
      if (wanted.has(digest)) names.set(digest, username);
    }
    if (users.length < PAGE) break;
    afterUsername = users.at(-1)!.canonicalUsername;
  }
  return names;
}

function countJson({ limit, of, count, most, windowEndsAt }: CountedAttempts): object {
  return { limit, of, count, most, until: new Date(windowEndsAt).toISOString() };
}

const meanings: Readonly<Record<string, string>> = {
  "login-both": "failed logins to an account from one address",
  "login-device": "failed logins to an account from one known device",
  "login-devices": "failed logins to an account from its known devices",
  "login-address": "failed logins from an address",
  "login-network": "failed logins from a network",
  "login-account": "failed logins to an account",
  "login-success": "logins to an account",
  "register-address": "registrations from an address",
  "register-network": "registrations from a network",
  reauthentication: "password confirmations in a session",
};

function countTable(counted: readonly CountedAttempts[]): string {
  return table(
    ["OF", "COUNTED", "LIMIT", "UNTIL"],
    counted.map(({ limit, of, count, most, windowEndsAt }) => [
      of,
      `${count} of ${most}`,
      meanings[limit] ?? limit,
      instant(windowEndsAt),
    ]),
  );
}
