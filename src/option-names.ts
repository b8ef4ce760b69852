import leven from "leven";

/** One sentence for each name that is not among `known`, with the nearest that is. */
export function unknownNames(given: object, known: readonly string[], what: string): string[] {
  return Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => {
      const nearest = nearestName(name, known);
      return `Unknown ${what} '${name}'.${nearest === undefined ? "" : ` Did you mean '${nearest}'?`}`;
    });
}

/** The known name that a misspelt one most likely stands for, if any is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, distance: leven(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.max(2, Math.floor(best.candidate.length / 3))
    ? best.candidate
    : undefined;
}
