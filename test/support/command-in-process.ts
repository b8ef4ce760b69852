import { join } from "node:path";
import { Readable } from "node:stream";
import { vi } from "vitest";
import { runCommand } from "../../src/server/command-line.ts";

/**
 * Runs a command in this process on the SQLite database of a folder, as a process beside its server would. A test that calls it
 * has to undo the setting: `vi.unstubAllEnvs()`.
 */
export async function runOnDatabaseOf(folder: string, command: readonly string[], input = "") {
  vi.stubEnv("LATCHKEY_DATABASE_URL", `sqlite:${join(folder, "latchkey.db")}`);
  let output = "";
  const write = (text: string) => {
    output += text;
  };
  const terminal = {
    input: Readable.from([input]),
    out: write,
    err: write,
    outIsTerminal: false,
    outHasColours: false,
  };
  const code = await runCommand(command, terminal);
  return { code, output };
}
