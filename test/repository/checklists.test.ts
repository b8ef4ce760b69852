import { describe, expect, it } from "vitest";
import { titledFiles } from "../support/titles.ts";
import { readRepositoryFile } from "./sandbox.ts";

/** `- **12** What must hold.` */
const ITEM = /^- \*\*(\d+)\*\* (.+)$/;
/** `  - ``test/http/x.test.ts``: ``a title``` below it, or `  - Open: the reason`. */
const SHOWN_BY = /^ {2}- `(test\/[^`]+)`: `(.+)`$/;
const OPEN = /^ {2}- Open: (.+)$/;

interface Item {
  readonly number: number;
  readonly shownBy: { readonly path: string; readonly title: string }[];
  readonly open: string[];
}

function itemsOf(page: string): readonly Item[] {
  const items: Item[] = [];
  for (const line of page.split("\n")) {
    const [, number] = ITEM.exec(line) ?? [];
    if (number !== undefined) items.push({ number: Number(number), shownBy: [], open: [] });
    const [, path = "", title = ""] = SHOWN_BY.exec(line) ?? [];
    if (path !== "") items.at(-1)?.shownBy.push({ path, title });
    const [, reason = ""] = OPEN.exec(line) ?? [];
    if (reason !== "") items.at(-1)?.open.push(reason);
  }
  return items;
}

/** The numbers that a title names of a list: 83 and 84 of `SECURITY 83, 84: ...`. */
function numbersIn(title: string, list: string): readonly number[] {
  return [...title.matchAll(new RegExp(`\\b${list} (\\d+(?:, \\d+)*)`, "g"))].flatMap(([, numbers = ""]) =>
    numbers.split(", ").map(Number),
  );
}

const files = titledFiles();

describe.each([
  { list: "PARITY", page: "docs/checklists/parity.md", items: 60 },
  { list: "SECURITY", page: "docs/checklists/security.md", items: 124 },
])("$page", ({ list, page, items: count }) => {
  const items = itemsOf(readRepositoryFile(page));
  const shown = items.flatMap(({ number, shownBy }) => shownBy.map((test) => ({ number, ...test })));

  it("has every number once, in order", () => {
    expect(items.map(({ number }) => number)).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  });

  it("says of each number which test shows it, or why it is open, and never both", () => {
    for (const { number, shownBy, open } of items) {
      expect(shownBy.length > 0 ? open.length : 1 - open.length, `${list} ${number}`).toBe(0);
    }
  });

  it("names only tests that exist, by file and title", () => {
    const missing = shown.filter(
      ({ path, title }) => !files.find((file) => file.path === path)?.titles.includes(title),
    );
    expect(missing).toEqual([]);
  });

  it("has every test whose title names a number, below that number", () => {
    const named = files.flatMap(({ path, titles }) =>
      titles.flatMap((title) => numbersIn(title, list).map((number) => ({ number, path, title }))),
    );
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((test) => !shown.some((other) => isSame(other, test)))).toEqual([]);
  });
});

type Shown = { readonly number: number; readonly path: string; readonly title: string };

function isSame(one: Shown, other: Shown): boolean {
  return one.number === other.number && one.path === other.path && one.title === other.title;
}
