import { nearestName } from "./nearest-name.ts";

/**
 * What is wrong with a value: words that follow the option's name, without a full stop. `undefined` if nothing is
 * wrong.
 */
export type Problem = (value: unknown) => string | undefined;

/**
 * How one option is checked and resolved. Created by {@link required}, {@link optional}, {@link withDefault} and
 * {@link group}.
 */
export interface OptionRule<Resolved> {
  readonly isRequired: boolean;
  readonly problem: Problem;
  /** The value of the option when it is omitted. Called only if no option is wrong. */
  readonly byDefault: (given: never) => Resolved;
  /** Converts an accepted value to its resolved form. */
  readonly resolve: (value: never, given: never) => Resolved;
  /** The rules of the options inside, if the option is an object of options. */
  readonly inner?: AnyRules;
}

/**
 * Options with none missing. Unlike `Required`, it means the same for users who compile without
 * `exactOptionalPropertyTypes`: an option without a default stays `undefined`.
 */
export type EveryOption<Given> = { readonly [Name in keyof Required<Given>]: Given[Name] };

/** One rule per option: if an option of the type has no rule, the code does not compile. */
export type OptionRules<Given extends object, Resolved extends { readonly [Name in keyof Given]-?: unknown }> = {
  readonly [Name in keyof Required<Given>]: OptionRule<Resolved[Name]>;
};

/** The options that one function accepts. */
export interface OptionSet<Given extends object, Resolved> {
  readonly names: readonly (keyof Given & string)[];
  /**
   * Validates, fills in the defaults and freezes.
   * @throws TypeError with one line for every option that is missing, unknown or wrong.
   */
  resolve(given: Given): Resolved;
  /** The same for an object that may contain more than these options: other names are ignored. */
  resolveFrom(given: Given): Resolved;
  /** What is wrong with a value for one option, as words that follow its name. For options read from elsewhere. */
  problem(name: keyof Given & string, value: unknown): string | undefined;
}

/** The parameters of {@link createOptionSet}. */
export interface OptionSetParts<Given extends object, Resolved extends { readonly [Name in keyof Given]-?: unknown }> {
  /** The function that accepts these options, for the error about a value that is not an object. */
  readonly of: string;
  readonly rules: OptionRules<Given, Resolved>;
  /** Conflicts between options that are each valid: whole sentences. */
  readonly across?: (resolved: Resolved, given: Given) => readonly string[];
}

/** The only way in which options are checked. */
export function createOptionSet<Given extends object, Resolved extends { readonly [Name in keyof Given]-?: unknown }>({
  of,
  rules,
  across,
}: OptionSetParts<Given, Resolved>): OptionSet<Given, Resolved> {
  const known: AnyRules = rules;

  function resolve(given: Given, problems: readonly string[]): Resolved {
    if (problems.length > 0) throw new TypeError(problems.join("\n"));
    const resolved = resolvedBy(known, given) as Resolved;
    const more = across?.(resolved, given) ?? [];
    if (more.length > 0) throw new TypeError(more.join("\n"));
    return resolved;
  }

  function requireObject(given: unknown): void {
    if (!isObject(given)) throw new TypeError(`${of} requires an object of options.`);
  }

  return Object.freeze<OptionSet<Given, Resolved>>({
    names: Object.freeze(Object.keys(rules)) as readonly (keyof Given & string)[],
    resolve(given) {
      requireObject(given);
      return resolve(given, [...unknownOptions(known, given), ...problemsOf(known, given)]);
    },
    resolveFrom(given) {
      requireObject(given);
      return resolve(given, problemsOf(known, given));
    },
    problem: (name, value) => problemOf(known[name]!, value),
  });
}

/** A required option. */
export function required<Resolved>(
  problem: Problem,
  resolve: (value: never, given: never) => Resolved = asGiven,
): OptionRule<Resolved> {
  return { isRequired: true, problem, byDefault: nothing as () => Resolved, resolve };
}

/** An option without a default. */
export function optional<Resolved>(
  problem: Problem,
  resolve: (value: never, given: never) => Resolved = asGiven,
): OptionRule<Resolved | undefined> {
  return { isRequired: false, problem, byDefault: nothing, resolve };
}

/** An option with a default, or with a function that derives it from the given options. */
export function withDefault<Resolved>(
  byDefault: Resolved | ((given: never) => Resolved),
  problem: Problem,
  resolve: (value: never, given: never) => Resolved = asGiven,
): OptionRule<Resolved> {
  const make = typeof byDefault === "function" ? (byDefault as (given: never) => Resolved) : () => byDefault;
  return { isRequired: false, problem, byDefault: make, resolve };
}

/**
 * An option that is an object of options. If omitted, it is `undefined`, or all of its defaults with `isAlwaysThere`.
 */
export function group<Given extends object, Resolved extends { readonly [Name in keyof Given]-?: unknown }>(
  inner: OptionRules<Given, Resolved>,
  { isAlwaysThere }: { readonly isAlwaysThere: true },
): OptionRule<Resolved>;
export function group<Given extends object, Resolved extends { readonly [Name in keyof Given]-?: unknown }>(
  inner: OptionRules<Given, Resolved>,
): OptionRule<Resolved | undefined>;
export function group(
  inner: AnyRules,
  { isAlwaysThere = false }: { readonly isAlwaysThere?: boolean } = {},
): OptionRule<object | undefined> {
  return {
    isRequired: false,
    problem: (value) => (isObject(value) ? undefined : "must be an object"),
    byDefault: (given) => (isAlwaysThere ? resolvedBy(inner, {}, given) : undefined),
    resolve: (value, given) => resolvedBy(inner, value, given),
    inner,
  };
}

/** Refuses a value that is not a whole number from `least` to `most`. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): Problem {
  const range = most === Number.MAX_SAFE_INTEGER ? `, ${least} or more` : ` from ${least} to ${most}`;
  return (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : `must be a whole number${range}`;
}

/** Refuses everything but these texts. */
export function oneOf(...allowed: readonly string[]): Problem {
  return (value) => (allowed.includes(value as string) ? undefined : `must be one of ${allowed.join(", ")}`);
}

export const trueOrFalse: Problem = (value) => (typeof value === "boolean" ? undefined : "must be true or false");

export const aFunction: Problem = (value) => (typeof value === "function" ? undefined : "must be a function");

export const anObject: Problem = (value) => (isObject(value) ? undefined : "must be an object");

/** A non-empty text, or a list of at least one. */
export const textOrTexts: Problem = (value) =>
  isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText))
    ? undefined
    : "must be a non-empty string, or a non-empty list of them";

/** A list of texts that `problem` accepts; its words follow the entry. */
export function listOfTexts(problem: (entry: string) => string | undefined = () => undefined): Problem {
  return (value) => {
    if (!Array.isArray(value) || value.some((entry) => typeof entry !== "string")) return "must be a list of strings";
    for (const entry of value) {
      const found = problem(entry);
      if (found !== undefined) return `contains '${entry}', which ${found}`;
    }
    return undefined;
  };
}

export function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

type AnyRules = { readonly [name: string]: OptionRule<unknown> };
type AnyOptions = Readonly<Record<string, unknown>>;

/** How many names can be listed in an error. */
const MOST_LISTED = 6;

function unknownOptions(rules: AnyRules, given: object, inside = ""): string[] {
  const known = Object.keys(rules);
  const where = inside === "" ? "" : ` in '${inside.slice(0, -1)}'`;
  return Object.keys(given).flatMap((name) => {
    const inner = known.includes(name) ? rules[name]?.inner : undefined;
    const value = (given as AnyOptions)[name];
    if (inner !== undefined && isObject(value)) return unknownOptions(inner, value, `${inside}${name}.`);
    if (known.includes(name)) return [];
    const nearest = nearestName(name, known);
    if (nearest !== undefined) return [`Unknown option '${name}'${where}. Did you mean '${nearest}'?`];
    const all = known.length > MOST_LISTED ? "" : ` The options are ${known.join(", ")}.`;
    return [`Unknown option '${name}'${where}.${all}`];
  });
}

/** What is wrong with those that are given, in their order, and those that are missing. */
function problemsOf(rules: AnyRules, given: object, inside = ""): string[] {
  const names = new Set([...Object.keys(given), ...Object.keys(rules)]);
  return [...names].flatMap((name) => {
    if (!Object.hasOwn(rules, name)) return [];
    const rule = rules[name]!;
    const value = (given as AnyOptions)[name];
    if (value === undefined) return rule.isRequired ? [`Option '${inside}${name}' is required.`] : [];
    if (rule.inner !== undefined && isObject(value)) return problemsOf(rule.inner, value, `${inside}${name}.`);
    const problem = rule.problem(value);
    return problem === undefined ? [] : [`Option '${inside}${name}' ${problem}.`];
  });
}

function problemOf(rule: OptionRule<unknown>, value: unknown): string | undefined {
  if (value === undefined) return rule.isRequired ? "is required" : undefined;
  const { inner } = rule;
  if (inner === undefined || !isObject(value)) return rule.problem(value);
  const problems = Object.entries(inner).map(([name, one]) => problemOf(one, (value as AnyOptions)[name]));
  return problems.find((problem) => problem !== undefined);
}

/** @param outer the options that a group is among: by them some defaults are decided. */
function resolvedBy(rules: AnyRules, given: object, outer: object = given): object {
  const resolved = Object.entries(rules).map(([name, { byDefault, resolve }]) => {
    const value = (given as AnyOptions)[name];
    return [name, value === undefined ? byDefault(outer as never) : resolve(value as never, outer as never)];
  });
  return Object.freeze(Object.fromEntries(resolved));
}

/** A list is copied, so that nobody changes it afterwards. */
function asGiven<Value>(value: Value): Value {
  return Array.isArray(value) ? (Object.freeze([...value]) as Value) : value;
}

function nothing(): undefined {
  return undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
