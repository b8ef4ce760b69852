import { fileURLToPath } from "node:url";
import { runQuietly } from "../scripts/programs.mjs";
import { reasonIn } from "./harness/reason.mjs";

const script = fileURLToPath(new URL("./verification-process.mjs", import.meta.url));

/**
 * @typedef {{ readonly name: string, readonly seen: boolean, readonly perSecond: import("./harness/rounds.mjs").Spread | null,
 *   readonly notRun: string | null }} VerificationResult
 */

/**
 * Verifications a second, in a process that does nothing else; where that fails, one row that says why.
 * @param {{ readonly rounds: number, readonly milliseconds: number }} plan
 * @returns {Promise<readonly VerificationResult[]>}
 */
export async function measureVerification({ rounds, milliseconds }) {
  const args = [script, String(rounds), String(milliseconds)];
  const { code, output } = await runQuietly({ file: process.execPath, args });
  if (code !== 0) return [{ name: "all of them", seen: false, perSecond: null, notRun: reasonIn(output) }];
  return JSON.parse(output);
}
