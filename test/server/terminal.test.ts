import { PassThrough } from "node:stream";
import { describe, expect, it, vi } from "vitest";
import { askNewPassword, instant, type Terminal, table } from "../../src/server/terminal.ts";

function terminal(isTTY: boolean) {
  const input = Object.assign(new PassThrough(), { isTTY });
  let shown = "";
  const show = (text: string) => {
    shown += text;
  };
  const given: Terminal = { input, out: show, err: show, outIsTerminal: true, outHasColours: true };
  return { input, given, shown: () => shown };
}

describe("a password that is typed", () => {
  /** Types each text once its question has been asked. */
  async function type(texts: readonly string[]) {
    const echo = vi.spyOn(process.stdout, "write");
    const { input, given, shown } = terminal(true);
    const asked = askNewPassword(given, { fromInput: false }).then(
      (password) => ({ password }),
      (error: Error) => ({ message: error.message }),
    );
    for (const [at, text] of texts.entries()) {
      while (shown().split(": ").length < at + 2) await new Promise((resolve) => setImmediate(resolve));
      input.write(text);
    }
    const outcome = await asked;
    const echoed = echo.mock.calls.join("");
    echo.mockRestore();
    return { ...outcome, shown: shown() + echoed };
  }

  it("is asked for twice and never shown", async () => {
    const typed = await type(["correct horse\r", "correct horse\r"]);
    expect(typed).toMatchObject({ password: "correct horse" });
    expect(typed.shown).toBe("Password: \nOnce more: \n");
  });

  it("can be corrected while it is typed, and holds any character", async () => {
    expect(await type(["pässwörd 🔑x\u007f\r", "pässwörd 🔑\r"])).toMatchObject({ password: "pässwörd 🔑" });
  });

  it("that differs the second time is refused, and neither is shown", async () => {
    const typed = await type(["correct horse\r", "correct house\r"]);
    expect(typed).toMatchObject({ message: "The two passwords differ. Nothing was changed." });
    expect(typed.shown).not.toMatch(/horse|house/);
  });

  it("that is empty is refused", async () => {
    expect(await type(["\r", "\r"])).toMatchObject({ message: "No password was entered. Nothing was changed." });
  });

  it.each([
    ["Ctrl+C", "half of it\u0003"],
    ["Ctrl+D", "\u0004"],
  ])("is given up with %s", async (_, keys) => {
    expect(await type([keys])).toMatchObject({ message: "Cancelled. Nothing was changed." });
  });

  it("is not waited for where there is no terminal", async () => {
    const { given } = terminal(false);
    await expect(askNewPassword(given, { fromInput: false })).rejects.toThrow(/add --password-stdin/);
  });
});

describe("a password from the standard input", () => {
  async function pipe(...chunks: readonly (string | Buffer)[]) {
    const { input, given } = terminal(false);
    for (const chunk of chunks) input.write(chunk);
    input.end();
    return askNewPassword(given, { fromInput: true });
  }

  it("is all of it but the line feed at its end", async () => {
    expect(await pipe("correct horse\n")).toBe("correct horse");
    expect(await pipe("correct horse\r\n")).toBe("correct horse");
    expect(await pipe(" correct horse ")).toBe(" correct horse ");
  });

  it("may come in parts that cut a character in two", async () => {
    const bytes = Buffer.from("pässwörd 🔑");
    expect(await pipe(bytes.subarray(0, 2), bytes.subarray(2, 12), bytes.subarray(12))).toBe("pässwörd 🔑");
  });

  it.each([
    ["nothing", "", /is empty/],
    ["an empty line", "\n", /is empty/],
    ["two lines", "one\ntwo\n", /more than one line/],
    ["far too much", "x".repeat(5000), /too long/],
  ])("that is %s is refused", async (_, text, says) => {
    await expect(pipe(text)).rejects.toThrow(says);
  });
});

describe("a table", () => {
  it("stands in columns", () => {
    expect(
      table(
        ["ID", "NAME"],
        [
          ["1", "ada"],
          ["200", "b"],
        ],
      ),
    ).toBe("ID   NAME\n1    ada\n200  b\n");
    expect(table(["ID", "NAME"], [])).toBe("ID  NAME\n");
  });

  it("shows what users chose without obeying it", () => {
    const text = table(["DEVICE"], [['a\r\nb\u001b[2J\u009b\u202e\u0000 "c" \\d']]);
    expect(text.trimEnd().split("\n")).toHaveLength(2);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
    expect(text.replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    expect(text).toContain('"c"');
  });

  it("shows times in UTC to the second", () => {
    expect(instant(Date.UTC(2026, 10, 21, 12, 0, 0, 999))).toBe("2026-11-21T12:00:00Z");
    expect(instant(null)).toBe("-");
  });
});
