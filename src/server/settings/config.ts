import { isIP } from "node:net";
import { hstsMismatch } from "../../http/hsts.ts";
import { isLoopback } from "../../issuer-url.ts";
import { nearestName } from "../../nearest-name.ts";
import { OperatorError } from "../failure.ts";
import { productionProblems, productionReasons } from "./production.ts";
import { isPostgresUrl } from "./setting-values.ts";
import { type Fed, type SettingName, serverDefaults, settings } from "./settings.ts";

/** Environment variables, as in `process.env`. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** All settings, checked. What is left out of `issuer` and `handler` has the option's own default. */
export interface Config {
  /** Options for `createIssuer`. */
  readonly issuer: Fed<"issuer">;
  /** Options for `createHandler`. */
  readonly handler: Fed<"handler">;
  readonly server: Required<Fed<"server">>;
  /** Why this counts as production, in words; empty where it does not. */
  readonly production: readonly string[];
}

/** The configuration, or everything that is wrong with it: one sentence or two each, naming the setting. */
export type ConfigReading = { readonly config: Config } | { readonly problems: readonly string[] };

const PREFIX = "LATCHKEY_";
const names = Object.keys(settings) as SettingName[];

/** Reads and checks all settings as a whole. Pure; no problem ever holds a secret's value. */
export function readConfig(variables: Variables): ConfigReading {
  const problems: string[] = [];
  const wrong = new Set<SettingName>();
  const fed = { issuer: {}, handler: {}, server: { ...serverDefaults } };
  for (const name of names) {
    const text = variables[name];
    if (text === undefined || isKubernetesLink(name, text)) continue;
    const { feeds, option, read } = settings[name];
    const reading = blankProblem(text) ?? read(text);
    if ("problem" in reading) {
      wrong.add(name);
      problems.push(`${name} ${reading.problem}.`);
    } else Object.assign(fed[feeds], { [option]: reading.value });
  }
  const facts = {
    issuer: variables.LATCHKEY_ISSUER ?? issuerUrl(fed),
    host: wrong.has("LATCHKEY_HOST") ? undefined : fed.server.host,
    usesPostgres: isPostgresUrl(variables.LATCHKEY_DATABASE_URL ?? ""),
    nodeEnv: variables.NODE_ENV,
    hasSecret: variables.LATCHKEY_SECRET !== undefined,
  };
  const databaseIsWrong = wrong.has("LATCHKEY_DATABASE_URL");
  problems.push(
    ...(databaseIsWrong ? [] : workersProblems(fed.server)),
    ...secretProblems(variables),
    ...productionProblems(facts),
    ...hstsProblems(issuerUrl(fed), fed.handler),
    ...unknownSettings(variables),
  );
  return problems.length > 0 ? { problems } : { config: { ...fed, production: productionReasons(facts) } };
}

/**
 * The configuration of this process.
 * @throws OperatorError with all that is wrong with it.
 */
export function loadConfig(): Config {
  const reading = readConfig(process.env);
  if ("config" in reading) return reading.config;
  throw new OperatorError(configurationReport(reading.problems));
}

/** {@link readConfig} of this process's environment. */
export function readProcessConfig(): ConfigReading {
  return readConfig(process.env);
}

/** Whether errors that end a command are to be shown with their stack; told even where the configuration is wrong. */
export function wantsStacks(): boolean {
  return ["debug", "trace"].includes(process.env.LATCHKEY_LOG_LEVEL ?? "");
}

/** The issuer: as configured, or this machine's own address at `port` where it is not. */
export function issuerUrl({ issuer, server }: Pick<Config, "issuer" | "server">, port = server.port): string {
  if (issuer.issuer !== undefined) return issuer.issuer;
  const host = isLoopback(server.host) ? server.host : serverDefaults.host;
  return new URL(`http://${urlHost(host)}:${port}`).origin;
}

/** A host as it appears in a URL. */
export function urlHost(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

function configurationReport(problems: readonly string[]): string {
  return problems.length === 1
    ? `Invalid configuration: ${problems[0]}`
    : `Invalid configuration, ${problems.length} problems:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`;
}

/** An empty value is neither a value nor clearly none, so it is not guessed what was meant. */
function blankProblem(text: string): { readonly problem: string } | undefined {
  if (text.trim() === "") return { problem: "is set but empty. Set a value, or unset it" };
  if (text !== text.trim()) return { problem: "begins or ends with a space or a line break. Remove it" };
  return undefined;
}

/** Processes on one SQLite file would each count password guesses on their own, and take turns at writing. */
function workersProblems({ workers, database }: Config["server"]): readonly string[] {
  if (workers === 1 || database.kind !== "sqlite") return [];
  return [
    `LATCHKEY_WORKERS is ${workers}, but only one process can serve a SQLite database. ` +
      "Set LATCHKEY_DATABASE_URL to a PostgreSQL database (postgres://…), or unset LATCHKEY_WORKERS.",
  ];
}

function hstsProblems(issuer: string, { hsts }: Config["handler"]): readonly string[] {
  const mismatch = hstsMismatch(issuer, hsts);
  return mismatch === undefined ? [] : [`LATCHKEY_HSTS ${mismatch}.`];
}

function secretProblems(variables: Variables): readonly string[] {
  const { LATCHKEY_SECRET: current, LATCHKEY_SECRET_PREVIOUS: previous } = variables;
  if (previous === undefined) return [];
  if (current === undefined)
    return ["LATCHKEY_SECRET_PREVIOUS is set, but LATCHKEY_SECRET is not. Set it to the new secret."];
  return current === previous ? ["LATCHKEY_SECRET_PREVIOUS is the same as LATCHKEY_SECRET. Unset it."] : [];
}

function unknownSettings(variables: Variables): readonly string[] {
  const known: readonly string[] = names;
  const given = Object.keys(variables).filter((name) => name.toUpperCase().startsWith(PREFIX));
  const links = given.filter((name) => isKubernetesLink(name, variables[name] ?? ""));
  const problems = given
    .filter((name) => !known.includes(name) && !links.includes(name))
    .map((name) => {
      const nearest = nearestSetting(name);
      return `${name} is not a setting. ${nearest === undefined ? "'latchkey start --help' lists them." : `Did you mean ${nearest}?`}`;
    });
  if (links.length === 0) return problems;
  return [
    ...problems,
    `${links.join(", ")}: Kubernetes sets these in every pod beside a Service named 'latchkey'. ` +
      "Put 'enableServiceLinks: false' into the pod's spec, or name the Service differently.",
  ];
}

/** A name whose unit or end was left out is nearer than one of as many letters. */
function nearestSetting(name: string): string | undefined {
  const bare = name.slice(PREFIX.length).toUpperCase();
  const known = names.map((setting) => setting.slice(PREFIX.length));
  const nearest = nearestName(bare, known);
  return nearest && PREFIX + nearest;
}

/** Whether Kubernetes made the variable for a Service, and nobody meant it as a setting. */
function isKubernetesLink(name: string, text: string): boolean {
  return (
    /^LATCHKEY_(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)$/.test(name) ||
    (name === "LATCHKEY_PORT" && /^(?:tcp|udp|sctp):\/\//.test(text))
  );
}
