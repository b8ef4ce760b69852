import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The code on a page, such as `docs/library.md`, in the order in which it is printed there: TypeScript, if nothing else is asked for. */
export function codeOf(page: string, language = "ts"): readonly string[] {
  const text = readFileSync(fileURLToPath(new URL(`../../${page}`, import.meta.url)), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, code]) => code!);
}

/** An example in a doc comment of the source. */
export interface DocumentedExample {
  /** The file, such as `src/issuer.ts`. */
  readonly file: string;
  /** What the comment is about: the function or class that follows it. */
  readonly about: string;
  readonly code: string;
}

/** Every `@example` in the doc comments of `src/`. */
export function examplesInComments(): readonly DocumentedExample[] {
  const source = fileURLToPath(new URL("../../src", import.meta.url));
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  return files.sort().flatMap((name) => {
    const text = readFileSync(`${source}/${name}`, "utf8");
    return [
      ...text.matchAll(/\/\*\*((?:[^*]|\*(?!\/))*)\*\/\s*export (?:async )?(?:function|class|const) (\w+)/g),
    ].flatMap(([, comment, about]) =>
      [...comment!.matchAll(/@example\s+\* ```ts\n(.*?)\* ```/gs)].map(([, code]) => ({
        file: `src/${name}`,
        about: about!,
        code: code!.replace(/^ *\* ?/gm, ""),
      })),
    );
  });
}

/** The rows of the first table of a page's section that begins with `| option |`: the names in the first cell, and all cells. */
export function optionTable(page: string, heading: string): readonly (readonly string[])[] {
  const text = readFileSync(fileURLToPath(new URL(`../../${page}`, import.meta.url)), "utf8");
  const start = text.indexOf(`\n${heading}`);
  if (start === -1) throw new Error(`${page} has no '${heading}'.`);
  const table = /^\| option \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)/m.exec(text.slice(start))?.[1];
  if (table === undefined) throw new Error(`${page} has no table of options under '${heading}'.`);
  return table
    .trim()
    .split("\n")
    .map((row) => row.slice(2, -2).split(" | "));
}

/** The options that such a table names. */
export function documentedOptions(page: string, heading: string): readonly string[] {
  return optionTable(page, heading).flatMap(([names]) => [...names!.matchAll(/`([\w.]+)`/g)].map(([, name]) => name!));
}
