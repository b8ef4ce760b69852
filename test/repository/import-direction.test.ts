import { dirname, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { lint } from "./lint.ts";

const rules = ["style/noRestrictedImports", "suspicious/noImportCycles"];

/** Whether a file may import another, by the rules of the repository. */
function isRefused(file: string, imported: string): boolean {
  const refusals = lint({ [file]: `import { something } from "${imported}";\nsomething();\n` }, rules);
  return refusals.some(({ rule }) => rule === "style/noRestrictedImports");
}

/** A file of each room, from the ground up. What runs everywhere, and the stores, are beside the others: see the exceptions. */
const rooms = [
  "src/json.ts",
  "src/records/session.ts",
  "src/access-token/claims.ts",
  "src/secrets/sealing.ts",
  "src/signing/key-ring.ts",
  "src/accounts/accounts.ts",
  "src/revocations/feed.ts",
  "src/engine/refresh.ts",
  "src/issuer.ts",
  "src/http/handler.ts",
  "src/adapters/express.ts",
  "src/server/run.ts",
];

function specifier(from: string, to: string): string {
  const path = relative(dirname(from), to);
  return path.startsWith(".") ? path : `./${path}`;
}

describe("import direction", () => {
  it.each(rooms)("%s may import no room above its own", (file) => {
    const above = rooms.slice(rooms.indexOf(file) + 1);
    expect(above.filter((other) => !isRefused(file, specifier(file, other)))).toEqual([]);
  });

  it.each(rooms.filter((file) => !file.includes("/adapters/")))("%s may import every room below its own", (file) => {
    const below = rooms.slice(0, rooms.indexOf(file)).filter((other) => !other.includes("/adapters/"));
    expect(below.filter((other) => isRefused(file, specifier(file, other)))).toEqual([]);
  });

  it.each([
    ["src/records/rotation.ts", "./session.ts"],
    ["src/records/rotation.ts", "node:crypto"],
    ["src/errors.ts", "./json.ts"],
    ["src/environment.ts", "./errors.ts"],
    ["src/store/sqlite/sqlite.ts", "../../secrets/sealing.ts"],
    ["src/store/sqlite/sqlite.ts", "../../access-token/claims.ts"],
    ["src/store/sqlite/sqlite.ts", "../../accounts/accounts.ts"],
    ["src/store/postgres/connection/pool.ts", "../../../issuer.ts"],
    ["src/access-token/claims.ts", "../store/store.ts"],
    ["src/access-token/claims.ts", "node:crypto"],
    ["src/secrets/sealing.ts", "../store/sqlite/sqlite.ts"],
    ["src/signing/key-ring.ts", "../verify/verifier.ts"],
    ["src/engine/upkeep/sweeper.ts", "../../store/sqlite/sqlite.ts"],
    ["src/engine/upkeep/sweeper.ts", "../../http/handler.ts"],
    ["src/issuer.ts", "./store/sqlite/sqlite.ts"],
    ["src/http/endpoints/token.ts", "../../store/sqlite/sqlite.ts"],
    ["src/http/endpoints/token.ts", "../../verify/verifier.ts"],
    ["src/http/handler.ts", "../index.ts"],
    ["src/adapters/express.ts", "../issuer.ts"],
    ["src/adapters/express.ts", "../store/sqlite/sqlite.ts"],
    ["src/adapters/express.ts", "../engine/refresh.ts"],
    ["src/adapters/express.ts", "../index.ts"],
    ["src/verify/published-keys.ts", "../signing/key-ring.ts"],
    ["src/verify/published-keys.ts", "../store/store.ts"],
    ["src/verify/published-keys.ts", "../http/handler.ts"],
    ["src/verify/published-keys.ts", "node:crypto"],
    ["src/client/client.ts", "../issuer.ts"],
    ["src/index.ts", "./server/run.ts"],
    ["src/index.ts", "./store/sqlite/sqlite.ts"],
    ["src/server/run.ts", "latchkey"],
  ])("%s may not import %s", (file, imported) => {
    expect(isRefused(file, imported)).toBe(true);
  });

  it.each([
    ["src/records/session.ts", "./rotation.ts"],
    ["src/store/sqlite/sqlite.ts", "../store.ts"],
    ["src/store/sqlite/sqlite.ts", "../../records/rotation.ts"],
    ["src/store/sqlite/sqlite.ts", "../../environment.ts"],
    ["src/store/sqlite/sqlite.ts", "libsql"],
    ["src/engine/refresh.ts", "../store/store.ts"],
    ["src/engine/upkeep/sweeper.ts", "../../store/store-operation.ts"],
    ["src/issuer.ts", "./store/store.ts"],
    ["src/http/handler.ts", "../store/store.ts"],
    ["src/adapters/express.ts", "../http/guard/guard.ts"],
    ["src/adapters/express.ts", "./node.ts"],
    ["src/adapters/express.ts", "../errors.ts"],
    ["src/verify/verifier.ts", "../access-token/verifier.ts"],
    ["src/verify/verifier.ts", "./published-keys.ts"],
    ["src/verify/published-keys.ts", "../json.ts"],
    ["src/index.ts", "./http/handler.ts"],
    ["src/server/run.ts", "../store/sqlite/sqlite.ts"],
    ["src/server/run.ts", "../index.ts"],
  ])("%s may import %s", (file, imported) => {
    expect(isRefused(file, imported)).toBe(false);
  });

  it("refuses the direction in types, re-exports and dynamic imports as well", () => {
    const refusals = lint(
      {
        "src/store/sqlite/sqlite.ts": [
          'import type { Issuer } from "../../issuer.ts";',
          'export type { Issuer } from "../../issuer.ts";',
          'export const issuer = import("../../issuer.ts");',
          "export const other: Issuer | undefined = undefined;",
        ].join("\n"),
      },
      rules,
    );
    expect(refusals.map(({ line }) => line).sort()).toEqual([1, 2, 3]);
  });

  it("refuses an import that stands inside a type, where the direction cannot be seen", () => {
    const refusals = lint({ "src/signing/key-ring.ts": 'export type Key = import("./key-schedule.ts").Key;\n' });
    expect(refusals).toMatchObject([{ rule: "plugin", line: 1 }]);
  });

  it("refuses files that import each other, be it types only", () => {
    const refusals = lint(
      {
        "src/signing/key-ring.ts": 'import type { Token } from "./sign-access-token.ts";\nexport type Key = Token[];\n',
        "src/signing/sign-access-token.ts":
          'import type { Key } from "./sealed-keys.ts";\nexport type Token = Key[];\n',
        "src/signing/sealed-keys.ts": 'export type { Key } from "./key-ring.ts";\n',
      },
      rules,
    );
    expect(new Set(refusals.map(({ rule }) => rule))).toEqual(new Set(["suspicious/noImportCycles"]));
    expect(new Set(refusals.map(({ file }) => file))).toEqual(
      new Set(["src/signing/key-ring.ts", "src/signing/sign-access-token.ts", "src/signing/sealed-keys.ts"]),
    );
  });
});
