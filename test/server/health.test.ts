import { renameSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { SqliteDatabase } from "../../src/store/sqlite/database.ts";
import { durationOf, expectWithin } from "../support/on-time.ts";
import { serve } from "../support/server-in-process.ts";

describe("health", () => {
  it("is good while the database answers", async () => {
    const server = await serve();
    expect((await server.get("/livez")).status).toBe(200);
    expect((await server.get("/readyz")).status).toBe(200);
  });

  it("of the process is good while the database is locked; readiness fails within five seconds and comes back", async () => {
    const server = await serve();
    const other = new SqliteDatabase(join(server.folder, "latchkey.db"));
    other.execute("BEGIN IMMEDIATE");
    await expectWithin(5000, () =>
      durationOf(async () => {
        const [live, ready] = await Promise.all([server.get("/livez"), server.get("/readyz")]);
        expect([live.status, ready.status]).toEqual([200, 503]);
        expect(ready.body.error).toBe("store_unavailable");
      }),
    );
    other.execute("ROLLBACK");
    other.close();
    expect((await server.get("/readyz")).status).toBe(200);
  });

  it("of the process is good when the database has been taken away; readiness fails within five seconds", async () => {
    const server = await serve();
    renameSync(join(server.folder, "latchkey.db"), join(server.folder, "elsewhere.db"));
    await expectWithin(5000, () => durationOf(async () => expect((await server.get("/readyz")).status).toBe(503)));
    expect((await server.get("/livez")).status).toBe(200);
    expect(server.log.join("")).toContain('"level":"error"');
  });

  it("is no longer ready from the moment that the server stops", async () => {
    const server = await serve();
    const socket = connect(server.address.port, "127.0.0.1");
    let received = "";
    socket.on("data", (chunk) => {
      received += String(chunk);
    });
    const closed = new Promise((resolve) => socket.on("close", resolve));
    socket.write("GET /readyz HTTP/1.1\r\nHost: a\r\n");
    for (let turn = 0; turn < 10; turn++) await wait(5);
    const stopped = server.stop();
    socket.write("\r\n");
    await closed;
    expect(received).toMatch(/^HTTP\/1\.1 503 [\s\S]*retry-after: \d+[\s\S]*"The server is stopping\. /i);
    expect(await stopped).toBe(0);
  });
});
