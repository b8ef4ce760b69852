import { copyFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./root.mjs";

const entry = "verify/verifier";
/** A doc comment may hold an example with imports of its own. */
const DOC_COMMENT = /\/\*\*[\s\S]*?\*\//g;
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)["']([^"']+)["']/g;

/** Puts @latchkey/verify together: the files of dist/ that the verifier reaches, at the same paths. */
export function buildVerifyPackage() {
  const to = join(root, "packages/verify");
  rmSync(join(to, "dist"), { recursive: true, force: true });
  for (const extension of /** @type {const} */ ([".js", ".d.ts"])) {
    for (const file of reachedFrom(join(root, "dist"), entry, extension).files) {
      mkdirSync(dirname(join(to, "dist", file)), { recursive: true });
      copyFileSync(join(root, "dist", file), join(to, "dist", file));
    }
  }
}

/**
 * Every file that a built one reaches, and every package. What the compiler has left of its imports is what a runtime loads.
 * @param {string} folder
 * @param {string} start the file, without its extension
 * @param {".js" | ".d.ts"} extension
 */
export function reachedFrom(folder, start, extension) {
  /** @type {Set<string>} */
  const files = new Set();
  /** @type {Set<string>} */
  const packages = new Set();
  /** @param {string} file */
  const visit = (file) => {
    if (files.has(file)) return;
    files.add(file);
    const code = readFileSync(join(folder, file), "utf8").replaceAll(DOC_COMMENT, "");
    for (const [, imported = ""] of code.matchAll(IMPORT)) {
      if (imported.startsWith(".")) visit(join(dirname(file), imported.replace(/\.[jt]s$/, extension)));
      else packages.add(imported);
    }
  };
  visit(`${start}${extension}`);
  return { files: [...files].sort(), packages: [...packages].sort() };
}
