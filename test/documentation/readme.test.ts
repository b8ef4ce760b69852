import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { startServer } from "../support/server-process.ts";
import { matchesLine, readTranscript } from "./transcript.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");

describe("README.md", () => {
  it("opens with the two commands", () => {
    const firstBlock = /```sh\n(.*?)```/s.exec(readme)![1]!;
    expect(firstBlock.split("\n").map((line) => line.split(" #")[0]!.trim())).toEqual(["npm start", "npm test", ""]);
    expect(readme.indexOf("npm start")).toBeLessThan(700);
  });

  it("shows a transcript that comes true, line by line, against the real server", async () => {
    const steps = readTranscript(readme);
    expect(steps.length).toBeGreaterThan(10);
    const folder = mkdtempSync(join(tmpdir(), "latchkey-readme-"));
    const database = `sqlite:${join(folder, "latchkey.db")}`;
    const server = await startServer({ LATCHKEY_DATABASE_URL: database });
    const shell = openShell({ LATCHKEY_DATABASE_URL: database });
    try {
      for (const { command, expected } of steps) {
        const printed = await shell.run(command.replaceAll("http://127.0.0.1:4000", server.url));
        expect(printed, command).toHaveLength(expected.length);
        for (const [index, line] of expected.entries()) {
          expect(matchesLine(printed[index]!, line), `${command}\nprinted:  ${printed[index]}\nexpected: ${line}`).toBe(
            true,
          );
        }
      }
    } finally {
      shell.close();
      await server.stop();
      rmSync(folder, { recursive: true });
    }
  });
});

/** A bash in the checkout that keeps its variables and its folder from one command to the next. */
function openShell(environment: Readonly<Record<string, string>>) {
  const bash = spawn("bash", ["--norc"], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: bash.stdout });
  const end = "-- end of output --";
  let printed: string[] = [];
  let finish: { resolve(lines: string[]): void; reject(error: Error): void } | undefined;
  lines.on("line", (line) => {
    // curl ends no line, so the mark may stand right behind what it printed.
    const at = line.indexOf(end);
    if (at !== 0) printed.push(at === -1 ? line : line.slice(0, at));
    if (at !== -1) finish?.resolve(printed);
  });
  once(bash, "exit").then(() => finish?.reject(new Error("bash has ended")));

  return {
    run(command: string): Promise<string[]> {
      return new Promise((resolve, reject) => {
        printed = [];
        finish = { resolve, reject };
        bash.stdin.write(`${command}\necho '${end}'\n`);
      });
    },
    close: () => bash.stdin.end(),
  };
}
