import { createOptionSet, type OptionRules, optional, type Problem } from "../option-rules.ts";

/**
 * Checks the options of one function of an adapter, and returns them as they are.
 * @param of the function's name.
 * @param problems one for each option; one that a type has and is missing here does not compile.
 * @returns a function that throws a TypeError naming every option that is unknown or wrong.
 */
export function adapterOptions<Given extends object>(
  of: string,
  problems: { readonly [Name in keyof Required<Given>]: Problem },
): <Options extends Given>(given: Options) => Options {
  const rules = Object.entries<Problem>(problems).map(([name, problem]) => [name, optional(problem)]);
  const options = createOptionSet({ of, rules: Object.fromEntries(rules) as OptionRules<Given, Required<Given>> });
  return (given) => {
    options.resolve(given);
    return given;
  };
}

/** An option that may be anything. */
export const anything: Problem = () => undefined;
