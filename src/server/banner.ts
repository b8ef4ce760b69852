import { urlHost } from "./settings/config.ts";

/** The contents of the banner. */
export interface BannerFacts {
  readonly address: { readonly host: string; readonly port: number };
  readonly issuer: string;
  /** As the store describes itself. */
  readonly database: string;
  /** The token of the set-up link, where there is no administrator yet. */
  readonly setupToken: string | undefined;
  /** How many processes serve. */
  readonly workers: number;
}

/** What a person at the terminal needs right after the start, and no more. */
export function banner({ address, issuer, database, setupToken, workers }: BannerFacts): string {
  const lines: readonly (readonly [title: string, text: string])[] = [
    ["API reference", `${issuer}/docs`],
    ...(setupToken === undefined
      ? []
      : ([
          ["First admin", "open this link within an hour; it works once:"],
          ["", `${issuer}/setup#${setupToken}`],
        ] as const)),
    ["More users", "npx --no latchkey user add NAME"],
    ["Sign in", `curl ${issuer}/auth/login --json '{"username":"NAME","password":"PASSWORD"}'`],
    ["Data", database],
    ...(workers > 1 ? ([["Processes", String(workers)]] as const) : []),
    ["Stop", "Ctrl+C"],
  ];
  const list = lines.map(([title, text]) => `  ${title.padEnd(14)} ${text}\n`).join("");
  return `\nLatchkey listens on http://${urlHost(address.host)}:${address.port}\n\n${list}\n`;
}
