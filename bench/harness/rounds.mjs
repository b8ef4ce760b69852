/**
 * The middle of several readings, with the least and the most.
 * @typedef {{ readonly median: number, readonly min: number, readonly max: number }} Spread
 */

/**
 * @param {readonly number[]} readings at least one
 * @returns {Spread}
 */
export function spread(readings) {
  const sorted = [...readings].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const at = (/** @type {number} */ index) => /** @type {number} */ (sorted[index]);
  const median = sorted.length % 2 === 1 ? at(half) : (at(half - 1) + at(half)) / 2;
  return { median, min: at(0), max: at(sorted.length - 1) };
}

/**
 * Takes readings in rounds, in each of them one of every subject, so that all see the same noise; the order moves on by one
 * from round to round. A subject that fails is left out of what follows.
 * @template Subject, Reading
 * @param {readonly Subject[]} subjects
 * @param {number} rounds
 * @param {(subject: Subject) => Promise<Reading>} read
 * @returns {Promise<Map<Subject, { readonly readings: Reading[], problem?: string }>>}
 */
export async function inRounds(subjects, rounds, read) {
  /** @type {Map<Subject, { readonly readings: Reading[], problem?: string }>} */
  const results = new Map(subjects.map((subject) => [subject, { readings: [] }]));
  for (let round = 0; round < rounds; round++) {
    for (let nth = 0; nth < subjects.length; nth++) {
      const subject = /** @type {Subject} */ (subjects[(nth + round) % subjects.length]);
      const result = results.get(subject);
      if (result === undefined || result.problem !== undefined) continue;
      try {
        result.readings.push(await read(subject));
      } catch (error) {
        result.problem = error instanceof Error ? error.message : String(error);
      }
    }
  }
  return results;
}
