import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The code on a page, such as `docs/library.md`, in the order in which it is printed there: TypeScript, if nothing else is asked for. */
export function codeOf(page: string, language = "ts"): readonly string[] {
  const text = readFileSync(fileURLToPath(new URL(`../../${page}`, import.meta.url)), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, code]) => code!);
}
