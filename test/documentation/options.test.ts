import { describe, expect, it } from "vitest";
import type * as hono from "../../src/adapters/hono.ts";
import type { LatchkeyModuleOptions } from "../../src/adapters/nest.ts";
import type { GuardedRouteOptions } from "../../src/adapters/nest-rules.ts";
import type * as next from "../../src/adapters/next.ts";
import type * as node from "../../src/adapters/node.ts";
import type { HandlerOptions } from "../../src/index.ts";
import { documentedOptions, examplesInComments, optionTable } from "../support/code-of.ts";

/** The names of a type's members. One that is missing here, or is no member, does not compile. */
type Names<Type> = Readonly<Record<keyof Type, true>>;

type AdapterOptions = node.GuardNodeOptions &
  hono.GuardedOptions &
  next.GuardedOptions<unknown> &
  next.AdmitOptions<unknown> &
  GuardedRouteOptions &
  Omit<LatchkeyModuleOptions, keyof HandlerOptions>;

const adapters = {
  ip: true,
  resource: true,
  onError: true,
  otherwise: true,
  issuer: true,
  path: true,
  guardDefaults: true,
} satisfies Names<Omit<AdapterOptions, "onError">> & { onError: true };

describe("the options of the adapters", () => {
  it("are all documented, and nothing else is", () => {
    const documented = documentedOptions("docs/adapters.md", "## Options of the adapters");
    expect(documented.toSorted()).toEqual(Object.keys(adapters).sort());
  });
});

describe("the table of a guard's options", () => {
  it.each(optionTable("docs/library.md", "## Guards").map((cells) => [cells[0]!, cells] as const))(
    "has a default, a meaning, edge cases and an example for %s",
    (name, cells) => {
      expect(cells).toHaveLength(5);
      for (const cell of cells) expect(cell.trim()).not.toBe("");
      expect(cells[4]).toContain(name.replaceAll("`", ""));
    },
  );
});

describe("what a user meets first has an example in its doc comment", () => {
  const examples = examplesInComments().map(({ file, about }) => `${file} ${about}`);
  it.each([
    ["src/issuer.ts", "createIssuer"],
    ["src/http/handler.ts", "createHandler"],
    ["src/http/guard/guard.ts", "createGuard"],
    ["src/verify/verifier.ts", "createVerifier"],
    ["src/errors.ts", "isLatchkeyError"],
    ["src/store/sqlite/sqlite.ts", "createSqliteStore"],
    ["src/store/postgres/postgres.ts", "createPostgresStore"],
    ["src/adapters/node.ts", "toNodeListener"],
    ["src/adapters/node.ts", "guardNode"],
    ["src/adapters/node.ts", "admitUpgrade"],
    ["src/adapters/express.ts", "latchkey"],
    ["src/adapters/express.ts", "guarded"],
    ["src/adapters/fastify.ts", "latchkey"],
    ["src/adapters/fastify.ts", "guarded"],
    ["src/adapters/hono.ts", "latchkey"],
    ["src/adapters/hono.ts", "guarded"],
    ["src/adapters/nest.ts", "LatchkeyModule"],
    ["src/adapters/nest.ts", "LatchkeyGuard"],
    ["src/adapters/nest.ts", "Guarded"],
    ["src/adapters/next.ts", "shared"],
    ["src/adapters/next.ts", "latchkey"],
    ["src/adapters/next.ts", "guarded"],
    ["src/adapters/next.ts", "renewed"],
    ["src/adapters/next.ts", "admitPage"],
    ["src/adapters/next.ts", "admitAction"],
  ])("%s: %s", (file, about) => {
    expect(examples).toContain(`${file} ${about}`);
  });
});
