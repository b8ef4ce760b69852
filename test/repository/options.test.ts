import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type IssuerOptions, issuerOptions } from "../../src/engine/options.ts";
import { resolveGuardOptions } from "../../src/http/guard/guard-options.ts";
import { resolveHandlerOptions } from "../../src/http/handler-options.ts";
import { settings } from "../../src/server/settings/settings.ts";
import { postgresStoreOptions } from "../../src/store/postgres/options.ts";
import { sqliteStoreOptions } from "../../src/store/sqlite/options.ts";
import type { Store } from "../../src/store/store.ts";
import { resolveVerifierOptions, type VerifierOptions } from "../../src/verify/verifier-options.ts";
import { ISSUER, SECRET } from "../support/test-bed.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");

const store = { changeSessions: async () => {} } as unknown as Store;
const issuer = issuerOptions.resolve({ issuer: ISSUER, secret: SECRET, store } as IssuerOptions);
const verifier = {
  ...resolveVerifierOptions({ issuer: ISSUER, audience: "a", algorithms: ["ES256"], revocations: { token: "t" } }),
} satisfies Record<keyof VerifierOptions, unknown>;

/** All options that are public: what they are by default, where they are described, and which files only declare them. */
const optionSets: readonly {
  readonly of: string;
  readonly defaults: object;
  readonly page: string;
  readonly heading: string;
  /** Which of the tables below the heading. */
  readonly table?: number;
  readonly declaredIn: readonly string[];
}[] = [
  {
    of: "createIssuer",
    defaults: issuer,
    page: "docs/library.md",
    heading: "## The issuer",
    declaredIn: ["src/engine/options.ts", "src/accounts/throttle-options.ts", "src/accounts/password-hashing.ts"],
  },
  {
    of: "createHandler",
    defaults: resolveHandlerOptions({}, ISSUER),
    page: "docs/library.md",
    heading: "## The handler",
    declaredIn: ["src/http/handler-options.ts"],
  },
  {
    of: "createGuard",
    defaults: resolveGuardOptions({}),
    page: "docs/library.md",
    heading: "## Guards",
    declaredIn: ["src/http/guard/guard-options.ts"],
  },
  {
    of: "createSqliteStore",
    defaults: sqliteStoreOptions.resolve({}),
    page: "docs/library.md",
    heading: "## Stores",
    declaredIn: ["src/store/sqlite/options.ts"],
  },
  {
    of: "createPostgresStore",
    defaults: postgresStoreOptions.resolve({}),
    page: "docs/library.md",
    heading: "## Stores",
    table: 1,
    declaredIn: ["src/store/postgres/options.ts"],
  },
  {
    of: "createVerifier",
    defaults: verifier,
    page: "docs/verify.md",
    heading: "## Options",
    declaredIn: ["src/verify/verifier-options.ts"],
  },
];

/** The rows of one table below a heading, as cells. */
function tableBelow(page: string, heading: string, table = 0): readonly (readonly string[])[] {
  const [, below = ""] = read(page).split(`\n${heading}\n`);
  const [section = ""] = below.split("\n## ");
  const tables = section.match(/(?:^\|.*\n?)+/gm) ?? [];
  const rows = (tables[table] ?? "").trim().split("\n").slice(2);
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const inBackticks = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text!);

/** Options inside others have their names behind a full stop. */
function flat(defaults: object): Map<string, unknown> {
  const all = new Map<string, unknown>();
  for (const [name, value] of Object.entries(defaults)) {
    if (!["cookies", "revocations"].includes(name) || value === undefined) all.set(name, value);
    else for (const [inner, one] of Object.entries(value as object)) all.set(`${name}.${inner}`, one);
  }
  return all;
}

/** A default as documentation writes it, where it writes a value and no words. */
function asWritten(value: unknown): string | undefined {
  if (typeof value === "number") return value.toLocaleString("en-US");
  return typeof value === "boolean" || typeof value === "string" ? `\`${value}\`` : undefined;
}

const sources = readdirSync(new URL("src", root), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => ({ file: `src/${file}`, code: read(`src/${file}`).replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "") }));

/** Whether any file but those named reads a member of this name: by its name, or by taking an object apart. */
function isRead(name: string, declaredIn: readonly string[]): boolean {
  const member = new RegExp(`\\.${name}\\b|[{,]\\s*${name}\\s*[,}]|\\{[^{}]*\\b${name}\\b[^{}]*\\}\\s*(?:=[^=]|[:),])`);
  return sources.some(({ file, code }) => !declaredIn.includes(file) && member.test(code));
}

describe.each(optionSets)("the options of $of", ({ defaults, page, heading, table, declaredIn }) => {
  const documented = tableBelow(page, heading, table);
  const options = flat(defaults);

  it("are all documented, and nothing else is", () => {
    expect(documented.flatMap(([name = ""]) => inBackticks(name)).sort()).toEqual([...options.keys()].sort());
  });

  it("have the defaults that are documented", () => {
    for (const [cell = "", byDefault = ""] of documented) {
      const [name = ""] = inBackticks(cell);
      const written = asWritten(options.get(name));
      const isAValue = /^(?:[\d,]+|`[^`{[]+`)$/.test(byDefault);
      if (isAValue && written !== undefined) expect([name, byDefault]).toEqual([name, written]);
      // A number never hides behind words, unless the machine decides it.
      else if (typeof options.get(name) === "number") expect(name).toBe("hashConcurrency");
    }
  });

  it("are all read somewhere", () => {
    const unread = [...options.keys()].filter((name) => !isRead(name.split(".").at(-1)!, declaredIn));
    expect(unread).toEqual([]);
  });
});

describe("the settings of the server", () => {
  const documented = tableBelow("docs/server.md", "## Settings");

  it("are all documented, and nothing else is", () => {
    const names = documented.flatMap(([cell = ""]) => inBackticks(cell)).sort();
    expect(names).toEqual(Object.keys(settings).sort());
  });

  it("are documented with the default of the option that each feeds, where that is a number", () => {
    const defaults = { issuer, handler: resolveHandlerOptions({}, ISSUER), server: {} };
    for (const [cell = "", byDefault = ""] of documented) {
      const [name = ""] = inBackticks(cell);
      const { feeds, option } = settings[name as keyof typeof settings];
      const value = (defaults[feeds] as Record<string, unknown>)[option];
      if (typeof value === "number") expect([name, byDefault]).toEqual([name, String(value)]);
    }
  });

  it("feed options that exist", () => {
    const sets = { issuer, handler: resolveHandlerOptions({}, ISSUER) };
    for (const [name, { feeds, option }] of Object.entries(settings)) {
      if (feeds !== "server") expect([name, option in sets[feeds]]).toEqual([name, true]);
    }
  });
});

describe("the options of parts inside", () => {
  /** Optional members of what a part is made of: `readonly name?: …` in an interface that is named Options or Parts. */
  const members = sources
    .filter(({ file }) => !/^src\/(?:adapters|server\/commands)\//.test(file))
    .flatMap(({ file, code }) =>
      [...code.matchAll(/interface \w*(?:Options|Parts|Limits|Hashing)\b[^{]*\{([\s\S]*?)\n\}/g)].flatMap(
        ([, body = ""]) => [...body.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name = ""]) => ({ file, name })),
      ),
    );
  const settable = new Set(
    optionSets.flatMap(({ defaults }) => [...flat(defaults).keys()].flatMap((name) => name.split("."))),
  );

  it("are found", () => expect(members.length).toBeGreaterThan(60));

  it("are public options, or are passed by another part", () => {
    const neverPassed = members.filter(
      ({ file, name }) =>
        !settable.has(name) &&
        !sources.some(
          (other) => other.file !== file && new RegExp(`\\b${name}\\s*:|[{,]\\s*${name}\\s*[,}]`).test(other.code),
        ),
    );
    expect(neverPassed).toEqual([]);
  });
});
