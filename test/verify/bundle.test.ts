import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { reachedFrom } from "../../scripts/verify-package.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What an entry of the build reaches, as paths from the root of the repository. */
function reached(extension: ".js" | ".d.ts") {
  const { files, packages } = reachedFrom(join(root, "dist"), "verify/verifier", extension);
  return { files: files.map((file) => `dist/${file}`), packages };
}

/** What a file holds but for its comments. */
const codeOf = (file: string) => readFileSync(join(root, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");

describe("latchkey/verify", () => {
  it("reaches no server code: verify/, access-token/, the ground and jose are all it loads", () => {
    const { files, packages } = reached(".js");
    const ground = /^dist\/(?:(?:verify|access-token)\/)?[\w-]+\.js$/;
    expect(files.filter((file) => !ground.test(file) || /\/(?:index|issuer)\.js$/.test(file))).toEqual([]);
    expect(files).toContain("dist/access-token/claims.js");
    expect(packages).toEqual(["jose"]);
    const bytes = Buffer.from(files.map(codeOf).join(""));
    console.log(
      `latchkey/verify: ${files.length} files, ${bytes.length} bytes (${gzipSync(bytes).length} gzipped), without comments and jose`,
    );
    // The distance between names is in it, which was a package of its own before.
    expect(bytes.length).toBeLessThan(64 * 1024);
  });

  it("names nothing that only Node has: no node: module, Buffer, process, require or __dirname", () => {
    for (const file of reached(".js").files) {
      const code = codeOf(file);
      expect([
        file,
        code.match(/\bnode:|\bBuffer\b|\bprocess\b|\brequire\b|__dirname|setImmediate|\.unref\b/g),
      ]).toEqual([file, null]);
    }
  });

  it("asks for none of Node's types in its declarations", () => {
    const { files, packages } = reached(".d.ts");
    expect(packages).toEqual([]);
    for (const file of files) {
      const declarations = readFileSync(join(root, file), "utf8");
      expect([file, declarations.match(/\bNodeJS\.|reference types|\bBuffer\b/g)]).toEqual([file, null]);
    }
  });
});
