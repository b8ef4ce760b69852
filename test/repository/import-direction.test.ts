import { describe, expect, it } from "vitest";
import { lint } from "./lint.ts";

const rules = ["style/noRestrictedImports", "suspicious/noImportCycles"];

/** Whether a file may import another, by the rules of the repository. */
function isRefused(file: string, imported: string): boolean {
  const refusals = lint({ [file]: `import { something } from "${imported}";\nsomething();\n` }, rules);
  return refusals.some(({ rule }) => rule === "style/noRestrictedImports");
}

describe("import direction", () => {
  it.each([
    ["src/http/handler.ts", "../server/main.ts"],
    ["src/http/handler.ts", "../store/sqlite.ts"],
    ["src/http/handler.ts", "../index.ts"],
    ["src/http/endpoints/login.ts", "../../server/main.ts"],
    ["src/issuer.ts", "./http/handler.ts"],
    ["src/issuer.ts", "./server/main.ts"],
    ["src/issuer.ts", "./store/sqlite.ts"],
    ["src/keys.ts", "./issuer.ts"],
    ["src/keys.ts", "./http/handler.ts"],
    ["src/refresh-token.ts", "./store/sqlite.ts"],
    ["src/accounts/accounts.ts", "../issuer.ts"],
    ["src/accounts/accounts.ts", "../http/handler.ts"],
    ["src/store/sqlite.ts", "../issuer.ts"],
    ["src/store/sqlite.ts", "../accounts/accounts.ts"],
    ["src/store/sqlite.ts", "../keys.ts"],
    ["src/rotation.ts", "./errors.ts"],
    ["src/rotation.ts", "node:crypto"],
    ["src/session.ts", "./environment.ts"],
    ["src/errors.ts", "./session.ts"],
    ["src/environment.ts", "./errors.ts"],
    ["src/verify.ts", "./store/store.ts"],
    ["src/verify.ts", "./http/handler.ts"],
    ["src/verify.ts", "./keys.ts"],
    ["src/verify.ts", "node:crypto"],
    ["src/verify/published-keys.ts", "../keys.ts"],
    ["src/verify/published-keys.ts", "node:crypto"],
    ["src/verify/published-keys.ts", "../store/store.ts"],
    ["src/client/client.ts", "../issuer.ts"],
    ["src/adapters/express.ts", "../server/main.ts"],
    ["src/adapters/express.ts", "../store/sqlite.ts"],
    ["src/adapters/express.ts", "../issuer.ts"],
    ["src/adapters/express.ts", "../index.ts"],
    ["src/http/handler.ts", "../adapters/node.ts"],
    ["src/issuer.ts", "./adapters/node.ts"],
    ["src/keys.ts", "./adapters/node.ts"],
    ["src/index.ts", "./server/main.ts"],
    ["src/server/main.ts", "latchkey"],
  ])("%s may not import %s", (file, imported) => {
    expect(isRefused(file, imported)).toBe(true);
  });

  it.each([
    ["src/server/main.ts", "../http/handler.ts"],
    ["src/server/main.ts", "../store/sqlite.ts"],
    ["src/server/main.ts", "../index.ts"],
    ["src/http/handler.ts", "../issuer.ts"],
    ["src/http/handler.ts", "../store/store.ts"],
    ["src/issuer.ts", "./accounts/accounts.ts"],
    ["src/issuer.ts", "./store/store.ts"],
    ["src/accounts/accounts.ts", "../errors.ts"],
    ["src/store/sqlite.ts", "./store.ts"],
    ["src/store/sqlite.ts", "../rotation.ts"],
    ["src/store/sqlite.ts", "../environment.ts"],
    ["src/store/sqlite.ts", "libsql"],
    ["src/session.ts", "./rotation.ts"],
    ["src/index.ts", "./http/handler.ts"],
    ["src/adapters/express.ts", "../http/guard.ts"],
    ["src/adapters/express.ts", "./node.ts"],
    ["src/adapters/express.ts", "../errors.ts"],
    ["src/verify.ts", "./access-token-verifier.ts"],
    ["src/verify.ts", "./verify/published-keys.ts"],
    ["src/verify/published-keys.ts", "../strict-json.ts"],
  ])("%s may import %s", (file, imported) => {
    expect(isRefused(file, imported)).toBe(false);
  });

  it("refuses the direction in types, re-exports and dynamic imports as well", () => {
    const refusals = lint(
      {
        "src/store/sqlite.ts": [
          'import type { Issuer } from "../issuer.ts";',
          'export type { Issuer } from "../issuer.ts";',
          'export const issuer = import("../issuer.ts");',
          "export const other: Issuer | undefined = undefined;",
        ].join("\n"),
      },
      rules,
    );
    expect(refusals.map(({ line }) => line).sort()).toEqual([1, 2, 3]);
  });

  it("refuses an import that stands inside a type, where the direction cannot be seen", () => {
    const refusals = lint({ "src/keys.ts": 'export type Key = import("./issuer.ts").Key;\n' });
    expect(refusals).toMatchObject([{ rule: "plugin", line: 1 }]);
  });

  it("refuses files that import each other, be it types only", () => {
    const refusals = lint(
      {
        "src/keys.ts": 'import type { Token } from "./access-token.ts";\nexport type Key = Token[];\n',
        "src/access-token.ts": 'import type { Key } from "./sealing.ts";\nexport type Token = Key[];\n',
        "src/sealing.ts": 'export type { Key } from "./keys.ts";\n',
      },
      rules,
    );
    expect(new Set(refusals.map(({ rule }) => rule))).toEqual(new Set(["suspicious/noImportCycles"]));
    expect(new Set(refusals.map(({ file }) => file))).toEqual(
      new Set(["src/keys.ts", "src/access-token.ts", "src/sealing.ts"]),
    );
  });
});
