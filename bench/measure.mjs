import { measureGuards } from "./guards.mjs";
import { createBenchPostgres } from "./harness/postgres.mjs";
import { measureLoginStorm } from "./login-storm.mjs";
import { measureRefresh } from "./refresh.mjs";
import { latchkeySubjects, peerSubjects, yardsticks } from "./refresh-subjects.mjs";
import { measureSizes } from "./sizes.mjs";
import { measureVerification } from "./verification.mjs";

/**
 * Measures all parts, or those asked for, one after the other.
 * @param {{ readonly only: readonly import("./options.mjs").Part[] | undefined, readonly rounds: number, readonly seconds: number }} plan
 * @param {import("./harness/load.mjs").LoadGenerator} generator
 * @param {string} folder
 * @param {(line: string) => void} tell
 * @returns {Promise<import("./report.mjs").Measured>}
 */
export async function measure({ only, rounds, seconds }, generator, folder, tell) {
  const isAsked = (/** @type {import("./options.mjs").Part} */ part) => only === undefined || only.includes(part);
  const postgres = createBenchPostgres();
  try {
    /** @type {{ -readonly [Part in keyof import("./report.mjs").Measured]: import("./report.mjs").Measured[Part] }} */
    const measured = {};
    if (isAsked("refresh")) {
      tell("installing what is measured beside Latchkey");
      const subjects = [...yardsticks, ...latchkeySubjects(postgres), ...peerSubjects()];
      const plan = { levels: [1, 32, 128], rounds, seconds };
      measured.refresh = await measureRefresh(subjects, generator, plan, folder, tell);
    }
    if (isAsked("sizes")) measured.sizes = await measureSizes(generator, postgres, { rounds, seconds }, folder, tell);
    if (isAsked("login-storm")) {
      tell("login storm");
      measured.loginStorm = await measureLoginStorm(generator, postgres, { rounds, seconds }, folder);
    }
    if (isAsked("guards")) {
      tell("guards");
      measured.guards = await measureGuards(generator, { rounds, seconds }, folder);
    }
    if (isAsked("verification")) {
      tell("verification");
      measured.verification = await measureVerification({ rounds: rounds * 2 + 1, milliseconds: 250 });
    }
    return measured;
  } finally {
    await postgres.remove();
  }
}
