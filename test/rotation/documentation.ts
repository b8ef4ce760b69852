import { readFileSync } from "node:fs";

/** The text of docs/rotation.md, whose figures and stories the tests hold against what the walks find. */
export function rotationPage(): string {
  return readFileSync(new URL("../../docs/rotation.md", import.meta.url), "utf8");
}
