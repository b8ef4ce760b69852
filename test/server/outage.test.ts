import { renameSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { LatchkeyError } from "../../src/errors.ts";
import { logFailedRequest } from "../../src/server/process/failed-requests.ts";
import { createLogger } from "../../src/server/process/logger.ts";
import { serve } from "../support/server-in-process.ts";

it("a request that an outage of the database fails is one line, without a stack, that says what is wrong", async () => {
  const server = await serve();
  renameSync(join(server.folder, "latchkey.db"), join(server.folder, "gone.db"));
  const before = server.log.length;
  expect((await server.get("/readyz")).status).toBe(503);
  const failed = server.log
    .slice(before)
    .join("")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(failed).toMatchObject([{ level: "error", code: "store_unusable", msg: "a request failed" }]);
  expect(failed[0].detail).toContain("was deleted or replaced");
  expect(JSON.stringify(failed)).not.toMatch(/stack| {4}at /);
});

it("the same line is one line in the readable form too", () => {
  const written: string[] = [];
  const logger = createLogger({
    level: "info",
    form: "readable",
    secrets: [],
    write: (lines) => void written.push(lines),
  });
  const detail = "PostgreSQL\nis away";
  logFailedRequest(logger, new LatchkeyError("store_unavailable", { detail }), "r");
  expect(written.join("").trimEnd().split("\n")).toHaveLength(1);
});
