import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { codeOf } from "../support/code-of.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const sources: Readonly<Record<string, string>> = {
  latchkey: "src/index.ts",
  "latchkey/express": "src/adapters/express.ts",
  "latchkey/node": "src/adapters/node.ts",
  "latchkey/sqlite": "src/store/sqlite/sqlite.ts",
};

/** Runs the program on a page about a migration, against these sources, and gives what it exports. */
export async function programOf<Exports>(page: string): Promise<Exports> {
  const folder = join(root, ".cache", "migration", `${process.pid}`);
  const file = join(folder, `${page.replace(/\W/g, "-")}.ts`);
  const code = codeOf(page)
    .join("\n")
    .replace(/from "(latchkey[^"]*)"/g, (_, name) => `from ${JSON.stringify(join(root, sources[name]!))}`);
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(file, code);
    return (await import(file)) as Exports;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The SQL on such a page. */
export function tableOn(page: string): string {
  return /^```sql\n(.*?)^```$/ms.exec(readFileSync(join(root, page), "utf8"))![1]!;
}
