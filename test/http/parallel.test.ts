import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAdaptorServer } from "@hono/node-server";
import { describe, expect, it } from "vitest";
import { createTestBed } from "../support/test-bed.ts";

describe("60 parallel refreshes of one token over HTTP", () => {
  it("are 60 times 200, one successor, and one row write in the store", async () => {
    const folder = mkdtempSync(join(tmpdir(), "latchkey-parallel-"));
    const bed = await createTestBed({ path: join(folder, "latchkey.db") });
    const server = createAdaptorServer({ fetch: (request) => bed.handler.fetch(request) });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const pair = await bed.login();
      const before = bed.store.statistics.sessionWrites;
      const responses = await Promise.all(
        Array.from({ length: 60 }, () =>
          fetch(`http://127.0.0.1:${port}/auth/refresh`, {
            method: "POST",
            headers: { authorization: `Bearer ${pair.refresh_token}` },
          }),
        ),
      );
      const bodies = (await Promise.all(responses.map((response) => response.json()))) as { refresh_token: string }[];
      expect(responses.map(({ status }) => status)).toEqual(Array(60).fill(200));
      expect(new Set(bodies.map((body) => body.refresh_token)).size).toBe(1);
      expect(bed.store.statistics.sessionWrites - before).toBe(1);
      expect(bodies[0]!.refresh_token).not.toBe(pair.refresh_token);
    } finally {
      server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
