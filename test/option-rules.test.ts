import { describe, expect, it } from "vitest";
import {
  aFunction,
  createOptionSet,
  group,
  listOfTexts,
  type OptionRules,
  oneOf,
  optional,
  required,
  wholeNumber,
  withDefault,
} from "../src/option-rules.ts";

interface Options {
  readonly place: string;
  readonly ttlSeconds?: number | undefined;
  readonly graceSeconds?: number | undefined;
  readonly names?: readonly string[] | undefined;
  readonly onEvent?: (() => void) | undefined;
  readonly cookies?: { readonly sameSite?: string | undefined } | undefined;
  readonly feed?: { readonly token: string; readonly url?: string | undefined } | undefined;
}
interface Resolved {
  readonly place: string;
  readonly ttlSeconds: number;
  readonly graceSeconds: number;
  readonly names: readonly string[];
  readonly onEvent: (() => void) | undefined;
  readonly cookies: { readonly sameSite: string };
  readonly feed: { readonly token: string; readonly url: string } | undefined;
}

const rules: OptionRules<Options, Resolved> = {
  place: required((value) => (typeof value === "string" ? undefined : "must be a text")),
  ttlSeconds: withDefault(900, wholeNumber(1, 3600)),
  graceSeconds: withDefault(10, wholeNumber(0)),
  names: withDefault<readonly string[]>(
    [],
    listOfTexts((name) => (name === "" ? "is empty" : undefined)),
  ),
  onEvent: optional(aFunction),
  cookies: group({ sameSite: withDefault("lax", oneOf("lax", "strict")) }, { isAlwaysThere: true }),
  feed: group({
    token: required<string>((value) => (typeof value === "string" ? undefined : "must be a text")),
    url: withDefault<string>(
      ({ place }: Options) => `${place}/feed`,
      () => undefined,
    ),
  }),
};
const options = createOptionSet<Options, Resolved>({
  of: "createThing",
  rules,
  across: ({ ttlSeconds, graceSeconds }) =>
    graceSeconds > ttlSeconds ? ["Option 'graceSeconds' must not be greater than 'ttlSeconds'."] : [],
});

/** What is refused; anything may be given. */
function refusal(given: unknown): string {
  try {
    options.resolve(given as Options);
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
  return "accepted";
}

describe("an option set", () => {
  it("fills in every default, also those inside a group and those made of other options", () => {
    expect(options.resolve({ place: "here", feed: { token: "t" } })).toEqual({
      place: "here",
      ttlSeconds: 900,
      graceSeconds: 10,
      names: [],
      onEvent: undefined,
      cookies: { sameSite: "lax" },
      feed: { token: "t", url: "here/feed" },
    });
    expect(options.resolve({ place: "here" }).feed).toBeUndefined();
  });

  it("treats an option that is undefined as left out, and null as a value that is wrong", () => {
    expect(options.resolve({ place: "here", ttlSeconds: undefined }).ttlSeconds).toBe(900);
    expect(refusal({ place: "here", ttlSeconds: null, cookies: null })).toBe(
      "Option 'ttlSeconds' must be a whole number from 1 to 3600.\nOption 'cookies' must be an object.",
    );
  });

  it("freezes the result and copies lists, so that nothing changes it afterwards", () => {
    const names = ["a"];
    const resolved = options.resolve({ place: "here", names });
    names.push("b");
    expect(resolved.names).toEqual(["a"]);
    for (const one of [resolved, resolved.names, resolved.cookies]) expect(Object.isFrozen(one)).toBe(true);
  });

  it("names everything that is unknown, wrong or missing at once, one line each", () => {
    expect(refusal({ ttlSecond: 1, graceSeconds: -1, names: ["a", ""], onEvent: 1, feed: {} })).toBe(
      [
        "Unknown option 'ttlSecond'. Did you mean 'ttlSeconds'?",
        "Option 'graceSeconds' must be a whole number, 0 or more.",
        "Option 'names' contains '', which is empty.",
        "Option 'onEvent' must be a function.",
        "Option 'feed.token' is required.",
        "Option 'place' is required.",
      ].join("\n"),
    );
  });

  it("names the group of an unknown option, and the right name in it", () => {
    expect(refusal({ place: "here", cookies: { samesite: "lax" } })).toBe(
      "Unknown option 'samesite' in 'cookies'. Did you mean 'sameSite'?",
    );
  });

  it("suggests the one name of which an unknown one is the beginning", () => {
    expect(refusal({ place: "here", grace: 1 })).toBe("Unknown option 'grace'. Did you mean 'graceSeconds'?");
  });

  it("suggests nothing where nothing is near, however long the name", () => {
    expect(refusal({ place: "here", somethingElse: 1 })).toBe("Unknown option 'somethingElse'.");
    expect(refusal({ place: "here", ["x".repeat(100_000)]: 1 })).not.toContain("Did you mean");
  });

  it.each(["constructor", "toString", "__proto__"])("takes %s for no option of its own", (name) => {
    const given = Object.defineProperty({ place: "here" }, name, { value: 1, enumerable: true });
    expect(refusal(given)).toBe(`Unknown option '${name}'.`);
  });

  it("looks at options together only once each is right", () => {
    expect(refusal({ place: "here", ttlSeconds: 5, graceSeconds: 6 })).toBe(
      "Option 'graceSeconds' must not be greater than 'ttlSeconds'.",
    );
    expect(refusal({ place: "here", ttlSeconds: 0, graceSeconds: 6 })).not.toContain("greater");
  });

  it.each([undefined, null, "text", 1])("refuses %s in place of an object, and names who accepts options", (given) => {
    expect(refusal(given)).toBe("createThing requires an object of options.");
  });

  it("reads its options out of an object that holds more, and still checks them", () => {
    expect(options.resolveFrom({ place: "here", other: 1 } as Options).place).toBe("here");
    expect(() => options.resolveFrom({ place: "here", other: 1, ttlSeconds: 0 } as Options)).toThrow("'ttlSeconds'");
  });

  it("says of one value what is wrong with it, also inside a group", () => {
    expect(options.problem("ttlSeconds", 0)).toBe("must be a whole number from 1 to 3600");
    expect(options.problem("cookies", { sameSite: "none" })).toBe("must be one of lax, strict");
    expect(options.problem("place", undefined)).toBe("is required");
    expect(options.problem("ttlSeconds", undefined)).toBeUndefined();
  });
});
