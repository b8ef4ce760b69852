import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { exchange, open, requestText } from "../support/raw-socket.ts";
import { expectError, JSON_TYPE, login, setUp, withLength } from "../support/socket-server.ts";
import { ISSUER } from "../support/test-bed.ts";

describe("requests over a real socket", () => {
  it("are answered one after the other, in order, when they are pipelined", async () => {
    const { port, bed } = await setUp();
    const pair = await bed.login();
    const keep = { Connection: "keep-alive" };
    const bearer = { Authorization: `Bearer ${pair.access_token}` };
    const answers = await exchange(
      port,
      requestText("GET /livez", keep) +
        requestText("POST /auth/login", { ...withLength(login), ...keep }, login) +
        requestText("GET /auth/me", { ...bearer, ...keep }) +
        requestText("GET /nothing", keep) +
        requestText("DELETE /auth/sessions/x", { ...bearer, ...keep }) +
        requestText("GET /auth/sessions", bearer),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 200, 404, 404, 200]);
    expect(JSON.parse(answers[2]!.body).username).toBe("ada");
  });

  it("are 400 when they are not HTTP", async () => {
    const { port, seen } = await setUp();
    for (const [name, text] of Object.entries({
      "an unknown method": "G\u0001T / HTTP/1.1\r\n\r\n",
      "a line without a version": "GET /\r\n\r\n",
      "a version that is none": "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
      "a space in the path": requestText("GET /li vez"),
      "a control character in the path": requestText("GET /livez\u0001"),
      "a NUL in a header": requestText("GET /livez", { "X-Request-Id": "1234\u00005678" }),
      "a control character in a header": requestText("GET /livez", { Authorization: "Bearer \u0001" }),
      "a header's name with a space": requestText("GET /livez", { "X Request": "x" }),
      "a header without a name": requestText("GET /livez", { "": "x" }),
      "a header without a colon": requestText("GET /livez").replace("Connection: close", "Connection close"),
      "a folded header": requestText("GET /livez").replace("\r\n\r\n", "\r\n folded: x\r\n\r\n"),
      "a bare line feed": requestText("GET /livez").replaceAll("\r\n", "\n"),
      "a bare carriage return": requestText("GET /livez", { "X-A": "1\rX-B: 2" }),
      "the start of TLS": "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003",
      "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "no Host": "GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n",
    })) {
      const answers = await exchange(port, Buffer.from(text, "latin1"));
      expect([name, answers.map(({ status }) => status)]).toEqual([name, [400]]);
      expect([name, seen]).toEqual([name, []]);
    }
  });

  it("are 431 when their headers are larger than 16 KiB, of one or of many", async () => {
    const { port } = await setUp();
    const many = Object.fromEntries(Array.from({ length: 1500 }, (_, at) => [`X-${at}`, "some value"]));
    for (const headers of [{ Authorization: `Bearer ${"x".repeat(20_000)}` }, many, { Cookie: "x".repeat(200_000) }]) {
      expectError((await exchange(port, requestText("GET /auth/me", headers)))[0], 431, "headers");
    }
    expectError((await exchange(port, requestText(`GET /${"x".repeat(20_000)}`)))[0], 431, "path");
    const [almost] = await exchange(
      port,
      requestText("GET /auth/me", { Authorization: `Bearer ${"x".repeat(15_000)}` }),
    );
    expectError(almost, 401, "15,000 bytes", "invalid_access_token");
  });

  it("with bytes beyond ASCII in a header are answered, as if they were Latin-1", async () => {
    const { port } = await setUp();
    for (const name of ["X-Request-Id", "Authorization", "User-Agent", "Cookie", "X-Forwarded-For", "Origin"]) {
      const text = Buffer.from(requestText("GET /auth/me", { [name]: "Bearer \u00ff\u0080\u00e9" }), "latin1");
      const [answer] = await exchange(port, text);
      expect([name, answer?.status]).toEqual([name, 401]);
    }
  });

  it("reach no other route by an absolute URL, double slashes, dots or escapes", async () => {
    const { port } = await setUp();
    for (const [target, status] of [
      ["http://127.0.0.1/livez", 200],
      ["http://evil.example.com/livez", 200],
      ["http://evil.example.com:99999/livez", 400],
      ["http:///livez", [200, 400, 404]],
      ["http://[::1/livez", 400],
      ["https://evil.example.com/livez", 200],
      ["ftp://evil.example.com/livez", [400, 404]],
      ["//livez", 404],
      ["///livez", 404],
      ["//evil.example.com/livez", 404],
      ["/livez/", 404],
      ["/x/../livez", 200],
      ["/x/%2e%2e/livez", 200],
      ["/..%2f..%2flivez", 404],
      ["/auth/sessions/..%2f..%2fadmin", 405],
      ["/auth/sessions/..%2f..%2fadmin%2fmetrics", 405],
      ["/auth/sessions/..%5c..%5cadmin", 405],
      ["/docs/..%2f..%2f..%2fetc%2fpasswd", 404],
      ["/docs/../../../../etc/passwd", 404],
      ["/\\livez", 400],
      ["\\livez", 400],
      ["/livez\\", 400],
      ["/livez%00", 404],
      ["/livez%", 404],
      ["/%ff%fe", 404],
      ["/livez?x=%", 200],
      ["/livez?access_token=x", 400],
      ["/livez#fragment", 200],
      ["*", [400, 404]],
      ["livez", 400],
      ["?", [400, 404]],
    ] as const) {
      const [answer] = await exchange(port, requestText(`GET ${target}`));
      expect([target, answer?.status]).toEqual([
        target,
        [status].flat().includes(answer?.status as never) ? answer?.status : status,
      ]);
    }
  });

  it("with any Host at all are refused or answered, but never learn another issuer from it", async () => {
    const { port } = await setUp();
    for (const host of [
      "evil.example.com",
      "EVIL.example.com:80",
      "127.0.0.1:1",
      "127.0.0.1:99999",
      "127.0.0.1:abc",
      "[::1]:4000",
      "[::1",
      "user:password@evil.example.com",
      "evil.example.com/path",
      "evil.example.com?x",
      "evil.example.com#x",
      "evil.example.com\\x",
      "evil example",
      "a,b",
      "a%00b",
      "%65vil.example.com",
      "xn--nxasmq6b",
      "..",
      "",
      "x".repeat(5000),
      "<script>",
      "0x7f.1",
    ]) {
      for (const headers of [
        { Host: host },
        { Host: host, "X-Forwarded-Host": "evil.example.com", Forwarded: "host=evil.example.com" },
      ]) {
        const [answer] = await exchange(port, requestText("GET /.well-known/oauth-authorization-server", headers));
        expect([host, [200, 400].includes(answer?.status ?? 0)]).toEqual([host, true]);
        if (answer?.status === 200) expect(JSON.parse(answer.body).issuer).toBe(ISSUER);
        else expectError(answer, 400, host);
        expect(answer?.body).not.toContain("evil");
      }
    }
  });

  it("of methods that are none of ours are refused, and none of them opens a tunnel or another protocol", async () => {
    const { port } = await setUp();
    for (const method of ["TRACE", "PUT", "PATCH", "LINK", "MKCOL", "SEARCH", "PURGE"]) {
      expectError((await exchange(port, requestText(`${method} /livez`)))[0], 405, method, "method_not_allowed");
    }
    expect(await exchange(port, requestText("CONNECT evil.example.com:443"))).toEqual([]);
    for (const protocol of ["websocket", "h2c", "TLS/1.0"]) {
      const headers = { Connection: "Upgrade", Upgrade: protocol, "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA" };
      const socket = await open(port);
      socket.write(requestText("GET /livez", headers));
      const [answer] = await once(socket, "data");
      expect([protocol, String(answer).slice(0, 12)]).toEqual([protocol, "HTTP/1.1 200"]);
      socket.destroy();
    }
  });
});

describe("clients that go away", () => {
  it("in the middle of the headers, of the body, or before the answer leave the server as it was", async () => {
    const { port, seen } = await setUp();
    const chunked = requestText("POST /auth/login", { ...JSON_TYPE, "Transfer-Encoding": "chunked" });
    const texts = [
      "G",
      "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-",
      requestText("POST /auth/login", withLength(login)),
      requestText("POST /auth/login", withLength(login), login.slice(0, 10)),
      requestText("POST /auth/login", withLength(login), login),
      chunked,
      `${chunked}5\r\n{"use`,
      `${chunked}5000\r\n${"x".repeat(0x3000)}`,
      requestText("GET /livez"),
      requestText(
        "POST /token",
        { "Content-Type": "application/x-www-form-urlencoded", "Content-Length": "50" },
        "grant_type=refresh",
      ),
    ];
    for (const reset of [false, true]) {
      for (const text of texts) {
        await Promise.all(
          Array.from({ length: 5 }, async (_, at) => {
            const socket = await open(port);
            socket.write(text);
            await sleep(at * 3);
            if (reset) socket.resetAndDestroy();
            else socket.destroy();
          }),
        );
      }
    }
    await expect.poll(() => seen.some((entry) => / [45]\d\d$/.test(entry))).toBe(true);
    await sleep(100);
    expect(seen.filter((entry) => / 5\d\d$/.test(entry))).toEqual([]);
  });

  it("without reading their answers do not keep others from theirs", async () => {
    const { port } = await setUp();
    const lazy = await Promise.all(Array.from({ length: 20 }, () => open(port)));
    for (const socket of lazy) {
      socket.pause();
      socket.write(requestText("GET /openapi.json", { Connection: "keep-alive" }).repeat(100));
    }
    const answers = await Promise.all(Array.from({ length: 10 }, () => exchange(port, requestText("GET /livez"))));
    expect(answers.map(([answer]) => answer?.status)).toEqual(Array(10).fill(200));
    for (const socket of lazy) socket.destroy();
  });
});

describe("a connection that is kept", () => {
  it("serves requests one after the other, after refusals of every kind too", async () => {
    const { port } = await setUp();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    const statuses: (number | undefined)[] = [];
    const send = (method: string, path: string, headers: Record<string, string>, body: string) =>
      new Promise<void>((resolve, reject) => {
        const request = httpRequest({ port, host: "127.0.0.1", method, path, headers, agent }, (response) => {
          statuses.push(response.statusCode);
          response.resume().on("end", resolve);
        });
        request.on("error", reject);
        request.on("socket", (socket) => sockets.add(socket));
        request.end(body);
      });
    for (let round = 0; round < 3; round++) {
      await send("POST", "/auth/login", JSON_TYPE, "{");
      await send("POST", "/auth/login", { "Content-Type": "text/plain" }, login);
      await send("GET", "/auth/me", {}, "");
      await send("POST", "/nothing", JSON_TYPE, login);
      await send("POST", "/livez", JSON_TYPE, login);
      await send("GET", "/livez", {}, "");
    }
    expect(statuses).toEqual(Array(3).fill([400, 415, 401, 404, 405, 200]).flat());
    expect(sockets.size).toBe(1);
    agent.destroy();
  });
});
