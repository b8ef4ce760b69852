import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { fillDatabase } from "../../bench/harness/latchkey.mjs";
import { startLoadGenerator } from "../../bench/harness/load.mjs";
import { peerProgram } from "../../bench/harness/peer-installation.mjs";
import { startServerProcess } from "../../bench/harness/server-process.mjs";
import { measureRefresh } from "../../bench/refresh.mjs";
import { type Subject, yardsticks } from "../../bench/refresh-subjects.mjs";
import { tables } from "../../bench/report.mjs";

const constant = yardsticks.find(({ kind }) => kind === "generator") as Subject;

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-bench-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function program(source: string): Subject["start"] {
  return (folder, environment) =>
    startServerProcess({ file: process.execPath, args: ["-e", source], environment, folder });
}

it("a subject that is missing, whose port is taken, or that stops answering is left out with a reason; others run", async () => {
  const folder = temporaryFolder();
  const holder = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void holder.close());
  await new Promise((resolve) => holder.once("listening", resolve));
  const { port } = holder.address() as AddressInfo;
  const generator = startLoadGenerator();
  onTestFinished(() => generator.stop());
  const failing = `
    require("fs").writeFileSync(process.env.BENCH_TOKENS, JSON.stringify(["token"]));
    const server = require("http").createServer((_, response) => response.writeHead(500, { "Content-Length": 6 }).end("broken"));
    server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ address: "http://127.0.0.1:" + server.address().port })));`;

  const results = await measureRefresh(
    [
      { ...constant, name: "uninstalled", start: peerProgram({ missing: "there is no npm here" }, "node", "x.mjs") },
      {
        ...constant,
        name: "port taken",
        start: program(`require("http").createServer().listen(${port}, "127.0.0.1")`),
      },
      { ...constant, name: "failing", start: program(failing) },
      constant,
    ],
    generator,
    { levels: [2], rounds: 1, seconds: 0.2, warmUpSeconds: 0.1 },
    folder,
    () => {},
  );

  expect(results.map(({ name, notRun, levels }) => [name, notRun, levels.length])).toEqual([
    ["uninstalled", "there is no npm here", 0],
    ["port taken", expect.stringContaining("EADDRINUSE"), 0],
    ["failing", "answered 500: broken", 0],
    ["constant bytes", null, 1],
  ]);
  expect(tables({ refresh: results })).toContain("| uninstalled | not run | there is no npm here |");
}, 60_000);

it("a database that the disk has no room for is not filled", async () => {
  const folder = temporaryFolder();
  const filling = fillDatabase({
    database: join(folder, "latchkey.db"),
    secret: "unused",
    sessions: 1e15,
    sample: 1,
    tokensFile: join(folder, "tokens.json"),
  });
  await expect(filling).rejects.toThrow(/^too little disk: it takes [\d.]+ GiB in .+, where [\d.]+ GiB are free$/);
});

it("a paced load sends as many requests as are due, however late", async () => {
  const folder = temporaryFolder();
  const tokensFile = join(folder, "tokens.json");
  const server = await constant.start(folder, { BENCH_TOKENS: tokensFile });
  onTestFinished(() => server.stop());
  const generator = startLoadGenerator();
  onTestFinished(() => generator.stop());
  const request = { subject: "paced", url: `${server.url}/`, wire: "json" as const, tokensFile };
  const found = await generator.run({ ...request, connections: 4, seconds: 0.5, perSecond: 200 });
  expect(found).toMatchObject({ requests: 100, answers: { 200: 100 } });
}, 30_000);
