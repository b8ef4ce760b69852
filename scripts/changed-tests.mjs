import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { runQuietly } from "./programs.mjs";
import { root } from "./root.mjs";

/** @typedef {ReadonlyMap<string, string>} Chosen The test files to run, each with what it was chosen for */

// A literal that names another file from the file it is in, whether it is imported, loaded by a worker or read.
const RELATIVE = /["'`](\.\.?\/[^"'`\s$]+)["'`]/g;

/**
 * What a test reads or runs without importing it: where its text, or that of a file it imports below test/, bench/ or scripts/,
 * names the first, a change of the second touches it.
 * @type {readonly (readonly [named: RegExp, changed: RegExp])[]}
 */
const readWithoutImport = [
  [/\bdist\b|server-process/, /^(?:src\/|scripts\/(?:compile|build|verify-package|api-reference))/],
  [/["'`/]src["'`/]/, /^src\//],
  [/["'`/]docs["'`/]/, /^docs\//],
  [/["'`/]examples["'`/]/, /^examples\//],
  [/["'`/]bench["'`/]/, /^bench\//],
  [/["'`/]scripts["'`/]/, /^scripts\//],
  [/["'`/]packages["'`/]/, /^packages\//],
  [/\b(?:README|CHANGELOG|SECURITY|CONTRIBUTING)\.md|\*\.md/, /^[A-Z]+\.md$/],
  [/\bbiome\b/, /^biome.*\.json$/],
  [/readRepositoryFile|ls-files/, /^[^/]+$/],
];

/** What every test depends on. */
const touchesAll =
  /^(?:package(?:-lock)?\.json|test\/package\.json|tsconfig\.json|vitest\.config\.ts|test\/support\/postgres-cluster\.ts)$/;

/**
 * The files that differ from a commit, in the working tree too, and that commit in words.
 * @param {string | undefined} named the commit; by default where this branch left the one that it follows, or else main
 */
export async function changedFiles(named) {
  const base = named === undefined ? await mergeBase() : named;
  const differing = await git("diff", "--name-only", "--relative", base, "--");
  const untracked = await git("ls-files", "--others", "--exclude-standard");
  return {
    base: (await git("rev-parse", "--short", base))[0] ?? base,
    files: [...new Set([...differing, ...untracked])].sort(),
  };
}

/**
 * Which test files a change of these files touches.
 * @param {readonly string[]} changed
 * @param {readonly string[]} tests all test files
 * @param {(file: string) => string | undefined} read the text of a file of the repository, if there is one
 * @returns {Chosen}
 */
export function touchedTests(changed, tests, read) {
  const all = changed.find((file) => touchesAll.test(file));
  if (all !== undefined) return new Map(tests.map((test) => [test, `${all}, on which all depend`]));
  /** @type {Map<string, readonly string[]>} */
  const imports = new Map();
  const importsOf = (/** @type {string} */ file) => {
    const known = imports.get(file);
    if (known !== undefined) return known;
    const found = [...(read(file) ?? "").matchAll(RELATIVE)].map(([, path = ""]) =>
      posix.join(posix.dirname(file), path),
    );
    const files = found.filter(
      (path) => !/^(?:dist|node_modules)\//.test(path) && (read(path) !== undefined || changed.includes(path)),
    );
    imports.set(file, files);
    return files;
  };
  /** @type {Map<string, string>} */
  const chosen = new Map();
  for (const test of tests) {
    const reason = reasonFor(test, changed, importsOf, read);
    if (reason !== undefined) chosen.set(test, reason);
  }
  return chosen;
}

/**
 * @param {string} test
 * @param {readonly string[]} changed
 * @param {(file: string) => readonly string[]} importsOf
 * @param {(file: string) => string | undefined} read
 */
function reasonFor(test, changed, importsOf, read) {
  const reached = new Set([test]);
  // A set is walked to its end, what is added while it is walked included.
  for (const file of reached) for (const imported of importsOf(file)) reached.add(imported);
  const imported = changed.find((file) => reached.has(file));
  if (imported !== undefined) return imported === test ? "changed itself" : `imports ${imported}`;
  for (const file of reached) {
    if (file.startsWith("src/")) continue;
    const text = withoutImports(file, importsOf(file), read);
    for (const [named, touching] of readWithoutImport) {
      const touched = named.test(text) ? changed.find((one) => touching.test(one)) : undefined;
      if (touched !== undefined) return `reads or runs ${touched}`;
    }
  }
  return undefined;
}

/**
 * The text of a file but for the names of the files that it imports.
 * @param {string} file
 * @param {readonly string[]} imported
 * @param {(file: string) => string | undefined} read
 */
function withoutImports(file, imported, read) {
  const isImported = (/** @type {string} */ path) => imported.includes(posix.join(posix.dirname(file), path));
  return (read(file) ?? "").replace(RELATIVE, (literal, path) => (isImported(path) ? "" : literal));
}

/** All test files of the repository. */
export async function testFiles() {
  const files = [
    ...(await git("ls-files", "test")),
    ...(await git("ls-files", "--others", "--exclude-standard", "test")),
  ];
  return files.filter((file) => file.endsWith(".test.ts") && existsSync(join(root, file)));
}

/** @type {Map<string, string | undefined>} */
const texts = new Map();

/**
 * The text of a file of the repository, if there is one.
 * @param {string} file
 */
export function textOf(file) {
  if (!texts.has(file)) {
    try {
      texts.set(file, readFileSync(join(root, file), "utf8"));
    } catch {
      texts.set(file, undefined);
    }
  }
  return texts.get(file);
}

async function mergeBase() {
  for (const followed of ["@{upstream}", "origin/main", "main"]) {
    const { code, output } = await runQuietly({ file: "git", args: ["merge-base", "HEAD", followed] });
    if (code === 0) return output.trim();
  }
  return "HEAD";
}

/** @param {readonly string[]} args */
async function git(...args) {
  const { code, output } = await runQuietly({ file: "git", args });
  if (code !== 0) throw new Error(`git ${args.join(" ")} failed: ${output.trim()}`);
  return output.split("\n").filter((line) => line !== "");
}
