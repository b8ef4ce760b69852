/** Longer than any known name: only this much of an unknown name is compared. */
const MOST_COMPARED = 64;
/** Too many names share a shorter beginning. */
const LEAST_BEGINNING = 4;

/**
 * The known name that a misspelt one most likely means, if any is near. A name that lacks only its end is the nearest.
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  const longer = known.filter(
    (candidate) => lower.length >= LEAST_BEGINNING && candidate.toLowerCase().startsWith(lower),
  );
  if (longer.length === 1) return longer[0];
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(lower, candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.max(2, Math.floor(best.candidate.length / 3))
    ? best.candidate
    : undefined;
}

/** How many characters must be added, removed or replaced (Levenshtein). */
function editDistance(one: string, other: string): number {
  const [from, to] = [one.slice(0, MOST_COMPARED), other.slice(0, MOST_COMPARED)];
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [index, character] of [...from].entries()) {
    const next = [index + 1];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = row[column - 1]! + (character === to[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[column]! + 1, next[column - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]! + Math.abs(one.length - from.length);
}
