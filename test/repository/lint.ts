import { createSandbox } from "./sandbox.ts";

/** One thing that the linter refused. */
export interface Refusal {
  readonly file: string;
  readonly rule: string;
  readonly line: number;
  readonly message: string;
}

interface BiomeReport {
  readonly diagnostics: readonly {
    readonly category: string;
    readonly message: string;
    readonly location: { readonly path: string; readonly start: { readonly line: number } };
  }[];
}

/** What the linter's configuration is made of. */
export const linterFiles: readonly string[] = [
  "biome.json",
  "biome.imports.json",
  "scripts/doors.grit",
  "scripts/session-ends.grit",
  "package.json",
  ".gitignore",
];

/** Lints the given files, and no others, under the repository's own rules. Only `rules` are looked at where they are named. */
export function lint(files: Readonly<Record<string, string>>, rules: readonly string[] = []): readonly Refusal[] {
  const sandbox = createSandbox(linterFiles);
  for (const [path, text] of Object.entries(files)) sandbox.write(path, text);
  const { stdout } = sandbox.node([
    "node_modules/@biomejs/biome/bin/biome",
    "lint",
    "--reporter=json",
    "--max-diagnostics=none",
    ...rules.map((rule) => `--only=${rule}`),
    "src",
  ]);
  const report: BiomeReport = JSON.parse(stdout);
  return report.diagnostics.map(({ category, message, location }) => ({
    file: location.path,
    rule: category.replace(/^lint\//, ""),
    line: location.start.line,
    message,
  }));
}
