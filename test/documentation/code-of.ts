import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The TypeScript on a page, such as `docs/library.md`, in the order in which it stands there. */
export function codeOf(page: string): readonly string[] {
  const text = readFileSync(fileURLToPath(new URL(`../../${page}`, import.meta.url)), "utf8");
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code!);
}
