import { createOptionSet, type OptionRules, optional, type Problem } from "../option-rules.ts";

/**
 * Checks the options of one function of an adapter, and returns them as they are.
 * @param of the function's name.
 * @param problems one for each option; if an option of the type is missing here, the code does not compile.
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

/** An option that may have any value. */
export const anything: Problem = () => undefined;
