import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { exchange, open, type RawAnswer, requestText } from "../support/raw-socket.ts";
import { expectError, JSON_TYPE, login, setUp, withLength } from "../support/socket-server.ts";
import { PASSWORD } from "../support/test-bed.ts";

const summary = (answers: readonly RawAnswer[]) =>
  answers.map(({ status, body }) => [status, body && JSON.parse(body).error]);

describe("bodies over a real socket", () => {
  it("CVE-2026-44456 Hono: are 413 when their chunks add up to more than 64 KiB, whether they end or not", async () => {
    const { port } = await setUp();
    const head = requestText("POST /auth/login", { ...JSON_TYPE, "Transfer-Encoding": "chunked" });
    const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`;
    for (const parts of [
      [head, ...Array<string>(5).fill(chunk), "0\r\n\r\n"],
      [head, ...Array<string>(5).fill(chunk)],
      [head, chunk.repeat(40), "0\r\n\r\n"],
      [head, `1000000\r\n${"x".repeat(200_000)}`],
    ]) {
      const answers = await exchange(port, ...parts);
      expectError(answers[0], 413, "chunked", "payload_too_large");
      expect(answers).toHaveLength(1);
    }
  });

  it("are 413 at once when Content-Length says more than 64 KiB, before any of it has come", async () => {
    const { port } = await setUp();
    const [answer] = await exchange(port, requestText("POST /auth/login", { ...JSON_TYPE, "Content-Length": "65537" }));
    expectError(answer, 413, "announced", "payload_too_large");
  });

  it("end where Content-Length says, and what comes after is the next request or none at all", async () => {
    const { port, seen } = await setUp();
    const head = requestText("POST /auth/login", { ...withLength(login), Connection: "keep-alive" });
    const good = await exchange(port, head + login + requestText("GET /livez"));
    expect(summary(good)).toEqual([
      [401, "invalid_credentials"],
      [200, undefined],
    ]);
    const bad = await exchange(port, `${head}${login}{"username":"root"}`);
    expect([["invalid_credentials"], ["invalid_credentials", "invalid_request"], ["invalid_request"]]).toContainEqual(
      bad.map(({ body }) => JSON.parse(body).error),
    );
    expect(new Set(seen)).toEqual(new Set(["POST /auth/login 401", "GET /livez 200"]));
  });

  it("that break off before Content-Length is reached are never acted on", async () => {
    const { port, seen, bed } = await setUp();
    await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
    const right = JSON.stringify({ username: "ada", password: PASSWORD });
    for (const headers of [
      { ...JSON_TYPE, "Content-Length": String(right.length + 1) },
      { ...JSON_TYPE, "Transfer-Encoding": "chunked" },
    ]) {
      const socket = await open(port);
      const body = "Content-Length" in headers ? right : `${right.length.toString(16)}\r\n${right}\r\n`;
      socket.end(requestText("POST /auth/login", headers, body));
      await once(socket.resume(), "close");
    }
    await sleep(50);
    expect(bed.events.filter(({ type }) => type.startsWith("login"))).toEqual([]);
    expect(seen.filter((entry) => /login [25]/.test(entry))).toEqual([]);
  });

  it("are refused where their length is told twice, or both ways, as in request smuggling", async () => {
    const { port, seen } = await setUp();
    const length = { ...withLength(login) };
    for (const [name, text] of Object.entries({
      "two lengths": requestText("POST /auth/login", length, login).replace(
        "Content-Length",
        "Content-Length: 5\r\nContent-Length",
      ),
      "a list of lengths": requestText(
        "POST /auth/login",
        { ...JSON_TYPE, "Content-Length": `${login.length}, 5` },
        login,
      ),
      "a length and chunks": requestText(
        "POST /auth/login",
        { ...length, "Transfer-Encoding": "chunked" },
        `0\r\n\r\n${requestText("GET /livez")}`,
      ),
      "chunks that are not last": requestText(
        "POST /auth/login",
        { ...JSON_TYPE, "Transfer-Encoding": "chunked, identity" },
        "0\r\n\r\n",
      ),
      "chunks with a tab": requestText(
        "POST /auth/login",
        { ...JSON_TYPE, "Transfer-Encoding": "\vchunked" },
        "0\r\n\r\n",
      ),
      "a negative length": requestText("POST /auth/login", { ...JSON_TYPE, "Content-Length": "-1" }, login),
      "a length with a sign": requestText("POST /auth/login", { ...JSON_TYPE, "Content-Length": "+5" }, login),
      "a hexadecimal length": requestText("POST /auth/login", { ...JSON_TYPE, "Content-Length": "0x5" }, login),
      "a length in words": requestText("POST /auth/login", { ...JSON_TYPE, "Content-Length": "five" }, login),
      "chunk sizes that are none": requestText(
        "POST /auth/login",
        { ...JSON_TYPE, "Transfer-Encoding": "chunked" },
        "zz\r\n\r\n",
      ),
      "a space before the colon": requestText("POST /auth/login", { ...JSON_TYPE, "Content-Length ": "5" }, login),
    })) {
      const answers = await exchange(port, text);
      const last = answers.at(-1);
      expectError(last, 400, name);
      expect([name, answers.length]).toEqual([name, 1]);
    }
    expect(seen.filter((entry) => entry.startsWith("GET"))).toEqual([]);
  });

  it("may come a byte at a time, and hold up nobody else", async () => {
    const { port } = await setUp();
    const slow = await open(port);
    slow.write(requestText("POST /auth/login", withLength(login)));
    const answer = new Promise<string>((resolve) => slow.once("data", (chunk) => resolve(String(chunk))));
    for (const byte of login) {
      slow.write(byte);
      await sleep(2);
      if (byte === "a") expect((await exchange(port, requestText("GET /livez")))[0]?.status).toBe(200);
    }
    expect(await answer).toMatch(/^HTTP\/1\.1 401 /);
  });

  it("are asked for with 100 Continue where the client waits for it, and other expectations are refused", async () => {
    const { port } = await setUp();
    const socket = await open(port);
    const received: string[] = [];
    socket.on("data", (chunk) => received.push(String(chunk)));
    socket.write(requestText("POST /auth/login", { ...withLength(login), Expect: "100-continue" }));
    await once(socket, "data");
    expect(received.join("")).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    socket.write(login);
    await once(socket, "close");
    expect(received.join("")).toContain("HTTP/1.1 401 ");
    const [refused] = await exchange(
      port,
      requestText("POST /auth/login", { ...withLength(login), Expect: "tea" }, login),
    );
    expect(refused?.status).toBe(417);
  });
});
