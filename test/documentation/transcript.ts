/** One command of a transcript, and what it prints; `…` stands for anything within a line. */
export interface TranscriptStep {
  readonly command: string;
  readonly expected: readonly string[];
}

/** Reads the ```console blocks of a page: lines that begin with `$ ` are commands, the rest is what they print. */
export function readTranscript(page: string): TranscriptStep[] {
  const steps: { command: string; expected: string[] }[] = [];
  for (const [, block] of page.matchAll(/^```console\n(.*?)^```$/gms)) {
    for (const line of block!.split("\n")) {
      if (line.startsWith("$ ")) steps.push({ command: line.slice(2), expected: [] });
      else if (line !== "") steps.at(-1)!.expected.push(line);
    }
  }
  return steps;
}

/** Whether a printed line is the expected one. */
export function matchesLine(printed: string, expected: string): boolean {
  const parts = expected.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^\\s,]+")}$`).test(printed);
}
