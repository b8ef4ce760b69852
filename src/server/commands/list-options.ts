import { InvalidArgumentError, Option } from "commander";
import type { Terminal } from "../terminal.ts";

/** The options that every list takes. */
export interface ListOptions {
  readonly limit: number;
  readonly json?: true;
}

/** `--limit`: how many entries a list shows. */
export function limitOption(): Option {
  return new Option("--limit <number>", "show at most this many").default(100).argParser((text) => {
    if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("It must be a whole number from 1 to 999999.");
    return Number(text);
  });
}

/** Says that a list was cut, where it does not get into the way of who reads the results. */
export function noteMore(terminal: Terminal, remedy: string): void {
  terminal.err(`More exist: ${remedy}.\n`);
}

/** Gathers an option that may be repeated. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}
