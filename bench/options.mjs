import { parseArgs } from "node:util";
import { nearestName } from "../dist/nearest-name.js";

/** The parts of a whole run, in its order. */
const parts = /** @type {const} */ (["refresh", "sizes", "login-storm", "guards", "verification"]);

/**
 * @typedef {(typeof parts)[number]} Part
 * @typedef {{ readonly mode: "quick" }
 *   | { readonly mode: "soak", readonly minutes: number, readonly database: "sqlite" | "postgres" }
 *   | { readonly mode: "measure", readonly only: readonly Part[] | undefined, readonly rounds: number, readonly seconds: number }} BenchOptions
 */

const known = ["quick", "soak", "database", "only", "rounds", "seconds"];
const LONGEST_SOAK_MINUTES = 24 * 60;

/**
 * What the arguments after `npm run bench --` ask for.
 * @param {readonly string[]} args
 * @returns {BenchOptions | { readonly problem: string }}
 */
export function readOptions(args) {
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean" },
      soak: { type: "boolean" },
      database: { type: "string", default: "sqlite" },
      only: { type: "string" },
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "2" },
    },
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === "option" && !known.includes(token.name))
      return { problem: unknown("option", `--`, token.name, known) };
  }
  if (values.quick) return { mode: "quick" };
  if (values.soak) {
    const minutes = Number(typeof values.soak === "string" ? values.soak : (positionals[0] ?? 30));
    if (!(minutes >= 1 && minutes <= LONGEST_SOAK_MINUTES)) {
      return { problem: `--soak takes minutes, from 1 to ${LONGEST_SOAK_MINUTES}.` };
    }
    const { database } = values;
    if (database !== "sqlite" && database !== "postgres") return { problem: "--database takes sqlite or postgres." };
    return { mode: "soak", minutes, database };
  }
  if (positionals.length > 0) return { problem: `'${positionals[0]}' belongs to no option.` };
  const rounds = wholeNumber(values.rounds, 1, 50);
  if (rounds === undefined) return { problem: "--rounds takes a whole number from 1 to 50." };
  const seconds = wholeNumber(values.seconds, 1, 30);
  if (seconds === undefined) return { problem: "--seconds takes a whole number from 1 to 30." };
  if (values.only === undefined) return { mode: "measure", only: undefined, rounds, seconds };
  const asked = String(values.only).split(",");
  const only = parts.filter((part) => asked.includes(part));
  const stranger = asked.find((part) => !parts.some((one) => one === part));
  if (stranger !== undefined) return { problem: unknown("part", "", stranger, parts) };
  return { mode: "measure", only, rounds, seconds };
}

/**
 * @param {string} what
 * @param {string} mark
 * @param {string} name
 * @param {readonly string[]} all
 */
function unknown(what, mark, name, all) {
  const nearest = nearestName(name, all);
  const hint = nearest === undefined ? "" : ` Did you mean '${mark}${nearest}'?`;
  return `Unknown ${what} '${mark}${name}'.${hint} There are ${all.map((one) => mark + one).join(", ")}.`;
}

/**
 * @param {unknown} text
 * @param {number} least
 * @param {number} most
 */
function wholeNumber(text, least, most) {
  const value = Number(text);
  return Number.isInteger(value) && value >= least && value <= most ? value : undefined;
}
