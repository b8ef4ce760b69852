import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)["']([^"']+)["']/g;

interface Graph {
  /** The files of this package, from its root. */
  readonly files: readonly string[];
  /** Whatever else is imported, by the name that it is imported under. */
  readonly packages: readonly string[];
}

/** Every file that a built one reaches. What the compiler has left of its imports is what a runtime loads. */
function reachedFrom(entry: string): Graph {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string) => {
    if (files.has(file)) return;
    files.add(file);
    for (const [, imported] of readFileSync(file, "utf8").matchAll(IMPORT)) {
      if (imported!.startsWith(".")) visit(join(dirname(file), imported!.replace(/\.[jt]s$/, extensionOf(file))));
      else packages.add(imported!);
    }
  };
  visit(join(root, entry));
  return { files: [...files].map((file) => relative(root, file)).sort(), packages: [...packages].sort() };
}

/** What a file holds but for its comments. */
const codeOf = (file: string) => readFileSync(join(root, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");

const extensionOf = (file: string) => (file.endsWith(".d.ts") ? ".d.ts" : ".js");

describe("latchkey/verify", () => {
  it("reaches no server code: these files and jose are all it loads", () => {
    const { files, packages } = reachedFrom("dist/verify/verifier.js");
    expect(files).toEqual(
      [
        "access-token/claims",
        "access-token/compact-jws",
        "access-token/dpop-proof",
        "access-token/number-ranges",
        "access-token/remembered",
        "access-token/token-kinds",
        "access-token/used-dpop-proofs",
        "access-token/verifier",
        "access-token/verifying-rules",
        "environment",
        "errors",
        "issuer-url",
        "json",
        "nearest-name",
        "option-rules",
        "verify/feed-connection",
        "verify/known-revocations",
        "verify/published-keys",
        "verify/read-bounded",
        "verify/revocation-follower",
        "verify/server-sent-events",
        "verify/verifier-options",
        "verify/verifier",
      ].map((name) => `dist/${name}.js`),
    );
    expect(packages).toEqual(["jose"]);
    const bytes = Buffer.from(files.map(codeOf).join(""));
    console.log(
      `latchkey/verify: ${files.length} files, ${bytes.length} bytes (${gzipSync(bytes).length} gzipped), without comments and jose`,
    );
    expect(bytes.length).toBeLessThan(60 * 1024);
  });

  it("names nothing that only Node has: no node: module, Buffer, process, require or __dirname", () => {
    for (const file of reachedFrom("dist/verify/verifier.js").files) {
      const code = codeOf(file);
      expect([
        file,
        code.match(/\bnode:|\bBuffer\b|\bprocess\b|\brequire\b|__dirname|setImmediate|\.unref\b/g),
      ]).toEqual([file, null]);
    }
  });

  it("asks for none of Node's types in its declarations", () => {
    const { files, packages } = reachedFrom("dist/verify/verifier.d.ts");
    expect(packages).toEqual([]);
    for (const file of files) {
      const declarations = readFileSync(join(root, file), "utf8");
      expect([file, declarations.match(/\bNodeJS\.|reference types|\bBuffer\b/g)]).toEqual([file, null]);
    }
  });
});
