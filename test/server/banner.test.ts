import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { type BannerFacts, banner } from "../../src/server/banner.ts";
import { createLogger } from "../../src/server/process/logger.ts";
import { announce } from "../../src/server/run.ts";
import { PASSWORD, serve } from "../support/server-in-process.ts";

const facts: BannerFacts = {
  address: { host: "127.0.0.1", port: 4000 },
  issuer: "http://127.0.0.1:4000",
  database: "sqlite:/home/ada/latchkey.db",
  setupToken: undefined,
  workers: 1,
};

describe("the banner", () => {
  it("is short: the address, the API reference, a line to add users with and one to sign in with, the data, how to stop", () => {
    const text = banner(facts);
    expect(text.trim().split("\n")).toHaveLength(7);
    expect(text).toContain("Latchkey listens on http://127.0.0.1:4000\n");
    expect(text).toContain("http://127.0.0.1:4000/docs\n");
    expect(text).toContain("sqlite:/home/ada/latchkey.db\n");
    expect(text).not.toContain("/setup#");
  });

  it("has the set-up link while there is no administrator", () => {
    expect(banner({ ...facts, setupToken: "t0ken" })).toMatch(/ http:\/\/127\.0\.0\.1:4000\/setup#t0ken\n/);
  });

  it("says how many processes serve, where there are several", () => {
    expect(banner(facts)).not.toContain("Processes");
    expect(banner({ ...facts, workers: 4 })).toMatch(/^ {2}Processes {6}4$/m);
  });

  it("writes an IPv6 address as a URL does", () => {
    expect(banner({ ...facts, address: { host: "::1", port: 4000 } })).toContain("http://[::1]:4000\n");
  });

  it("has a set-up link that makes the first administrator once, and a curl line that signs in as them", async () => {
    const server = await serve();
    let shown = "";
    const lines: string[] = [];
    const logger = createLogger({ level: "info", form: "json", secrets: [], write: (line) => void lines.push(line) });
    announce(server, logger, (text) => {
      shown += text;
    });
    expect(lines).toEqual([]);
    const link = new URL(/http:\S+\/setup#\S+/.exec(shown)![0]);
    expect((await fetch(link)).status).toBe(200);

    const setUp = { setup_token: link.hash.slice(1), username: "ada", password: PASSWORD };
    expect((await server.post("/auth/setup", setUp)).body).toMatchObject({ username: "ada", roles: ["admin"] });
    expect((await server.post("/auth/setup", { ...setUp, username: "eve" })).body.error).toBe("setup_closed");

    const curl = /curl .*/.exec(shown)![0].replace("NAME", "ada").replace("PASSWORD", PASSWORD);
    const { stdout } = await promisify(execFile)("bash", ["-c", `${curl.replace("curl", "curl -s")}`]);
    expect(JSON.parse(stdout)).toMatchObject({ token_type: "Bearer", expires_in: 900 });
  });

  it("is for people: a machine gets one line that listens, and a hint while there is no administrator", async () => {
    const lines: string[] = [];
    const logger = createLogger({ level: "info", form: "json", secrets: [], write: (line) => void lines.push(line) });
    const running = { ...facts, stop: async () => 0 };
    announce(running, logger, undefined);
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        level: "info",
        time: expect.any(String),
        address: "http://127.0.0.1:4000",
        issuer: "http://127.0.0.1:4000",
        database: "sqlite:/home/ada/latchkey.db",
        msg: "listening",
      },
    ]);
    announce({ ...running, setupToken: "t0ken" }, logger, undefined);
    expect(lines).toHaveLength(3);
    expect(lines[2]).toContain("user add NAME --role admin");
    expect(lines.join("")).not.toContain("t0ken");
  });
});
