import { connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { type HttpServer, listen } from "../../src/server/process/http-server.ts";
import { durationOf, expectWithin } from "../support/on-time.ts";

const open: HttpServer[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of open.splice(0)) await server.stop(0);
});

async function start(answer: (request: Request) => Promise<Response> = async () => new Response("served")) {
  const errors: unknown[] = [];
  const server = await listen("127.0.0.1", 0, (error) => errors.push(error));
  open.push(server);
  const remoteAddresses: unknown[] = [];
  server.serve({
    fetch(request, info) {
      remoteAddresses.push(info?.remoteAddress);
      return answer(request);
    },
  });
  return { server, errors, remoteAddresses, url: `http://127.0.0.1:${server.address.port}` };
}

/** A deadline that no test lives to see: one that had to wait for it would fail by its own limit, on a machine however busy. */
const NEVER_MS = 600_000;

/** Turns of the event loop, in which what has been sent over this machine arrives: this process is at both ends. */
async function arrival(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await wait(5);
}

/** A connection that sends `text` as it is, and gathers what comes back until it is closed. */
function raw(server: HttpServer, text: string) {
  const socket = connect(server.address.port, "127.0.0.1");
  sockets.push(socket);
  let received = "";
  socket.on("data", (chunk) => {
    received += String(chunk);
  });
  const closed = new Promise<string>((resolve) => {
    socket.on("error", () => {});
    socket.on("close", () => resolve(received));
  });
  if (text !== "") socket.write(text);
  return { socket, closed, received: () => received };
}

function statusAndBody(
  response: string,
): readonly [status: string, body: { error: string; error_description: string }] {
  const [head = "", body = ""] = response.split("\r\n\r\n");
  return [head.split("\r\n")[0]!, JSON.parse(body)];
}

describe("listening", () => {
  it("hands the peer's address to the handler", async () => {
    const { url, remoteAddresses } = await start();
    expect(await (await fetch(url)).text()).toBe("served");
    expect(remoteAddresses).toEqual(["127.0.0.1"]);
  });

  it("puts the security headers on what never gets to a handler, with HSTS where clients come by https", async () => {
    for (const hsts of [undefined, "max-age=60"]) {
      const server = await listen("127.0.0.1", 0, () => {}, hsts);
      open.push(server);
      const answers = [
        await raw(server, "this is not HTTP\r\n\r\n").closed,
        await raw(server, "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").closed,
      ];
      for (const answer of answers) {
        const head = answer.split("\r\n\r\n")[0]!.toLowerCase();
        for (const name of ["content-security-policy", "referrer-policy", "x-content-type-options", "x-request-id"]) {
          expect(head).toContain(`\r\n${name}: `);
        }
        expect(head).toContain("cache-control: no-store");
        expect(/\r\nstrict-transport-security: (.*)/.exec(head)?.[1]).toBe(hsts);
      }
    }
  });

  it("answers 503 with Retry-After until there is a handler", async () => {
    const server = await listen("127.0.0.1", 0, () => {});
    open.push(server);
    const response = await fetch(`http://127.0.0.1:${server.address.port}/readyz`);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toEqual({
      error: "server_busy",
      error_description: "The server is starting. Try again.",
    });
  });

  it("on a port that is taken says so in one line, and names the next", async () => {
    const { server } = await start();
    const { port } = server.address;
    await expect(listen("127.0.0.1", port, () => {})).rejects.toThrow(
      `Port ${port} on 127.0.0.1 is in use. Stop the program that listens there, or choose another port: LATCHKEY_PORT=${port + 1} npm start`,
    );
  });

  it("on an address that this machine does not have says so", async () => {
    await expect(listen("192.0.2.7", 0, () => {})).rejects.toThrow(
      /^This machine has no address 192\.0\.2\.7\. Set LATCHKEY_HOST/,
    );
  });

  it("on a name that leads nowhere says so", async () => {
    await expect(listen("no-such-host.invalid", 0, () => {})).rejects.toThrow(/LATCHKEY_HOST/);
  });
});

describe("what old and simple clients send", () => {
  it.each([
    ["HTTP/1.0 without Host", "GET /livez HTTP/1.0\r\n\r\n"],
    ["HTTP/1.0 with an empty Host", "GET /livez HTTP/1.0\r\nHost:\r\n\r\n"],
    ["HTTP/1.0 with Host", "GET /livez HTTP/1.0\r\nHost: a\r\n\r\n"],
    ["HTTP/1.1 with an empty Host", "GET /readyz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n"],
    ["HTTP/1.1 with a Host of spaces", "GET /readyz HTTP/1.1\r\nHost:  \r\nConnection: close\r\n\r\n"],
    ["HEAD of HTTP/1.0", "HEAD /livez HTTP/1.0\r\n\r\n"],
    [
      "a request that asks for h2c",
      "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    ],
  ])("(%s) gets a normal answer", async (_, text) => {
    const { server, errors } = await start();
    const answer = await raw(server, text).closed;
    expect(answer.split("\r\n")[0]).toBe("HTTP/1.1 200 OK");
    expect(errors).toEqual([]);
  });

  it("is still refused where HTTP/1.1 comes without Host, which RFC 9112 section 3.2 asks of a server", async () => {
    const { server } = await start();
    const answer = await raw(server, "GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n").closed;
    expect(answer.split("\r\n")[0]).toBe("HTTP/1.1 400 Bad Request");
  });
});

describe("what is not valid HTTP", () => {
  it.each([
    ["a request line of nonsense", "nonsense\r\n\r\n", "400 Bad Request"],
    ["a header without a colon", "GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", "400 Bad Request"],
    ["two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "400 Bad Request"],
    [
      "length and chunks at once",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
      "400 Bad Request",
    ],
    [
      "headers over 16 KiB",
      `GET / HTTP/1.1\r\nHost: a\r\nX-Big: ${"x".repeat(17_000)}\r\n\r\n`,
      "431 Request Header Fields Too Large",
    ],
    ["a Host that is none", "GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", "400 Bad Request"],
  ])("(%s) is answered in the one error shape", async (_, text, status) => {
    const { server, remoteAddresses, errors } = await start();
    const [line, body] = statusAndBody(await raw(server, text).closed);
    expect(line).toBe(`HTTP/1.1 ${status}`);
    expect(body).toEqual({ error: "invalid_request", error_description: expect.stringMatching(/\.$/) });
    expect(remoteAddresses).toEqual([]);
    expect(errors).toEqual([]);
  });

  it("repeats nothing of the request", async () => {
    const { server } = await start();
    expect(await raw(server, "GET /canary HTTP/1.1\r\ncanary\r\n\r\n").closed).not.toContain("canary");
  });

  it("leaves other connections alone", async () => {
    const { server, url } = await start();
    await Promise.all(Array.from({ length: 20 }, () => raw(server, "\u0000\u0001\r\n\r\n").closed));
    expect((await fetch(url)).status).toBe(200);
  });
});

describe("a handler that fails", () => {
  it("is told of, and answered with a bare internal_error", async () => {
    const { url, errors } = await start(() => Promise.reject(new Error("canary")));
    const response = await fetch(url);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("canary");
    expect(errors).toHaveLength(1);
  });
});

describe("stopping", () => {
  /** A server whose answers are held back until they are released. */
  async function startHeld() {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let arrived = 0;
    const { server, url } = await start(async () => {
      arrived += 1;
      await released;
      return new Response("served");
    });
    const arrivals = async (count: number) => {
      while (arrived < count) await wait(5);
    };
    return { server, url, release, arrivals };
  }

  it("serves what is in flight, then closes, long before the deadline", async () => {
    const { server, url, release, arrivals } = await startHeld();
    const answers = Promise.all(Array.from({ length: 10 }, async () => fetch(url)));
    await arrivals(10);
    const stopped = server.stop(NEVER_MS);
    await arrival();
    const refused = fetch(url).catch(() => "refused");
    expect(await refused).toBe("refused");
    release();
    const responses = await answers;
    expect(responses.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(responses.map(({ headers }) => headers.get("connection"))).toEqual(Array(10).fill("close"));
    expect(await stopped).toBe(0);
  });

  it("cuts off at the deadline what is still in flight, and counts it", async () => {
    const { server, url, release, arrivals } = await startHeld();
    const answers = Promise.allSettled([fetch(url), fetch(url)]);
    await arrivals(2);
    expect(await server.stop(100)).toBe(2);
    expect((await answers).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    release();
  });

  it("does not wait for connections that are idle or have sent nothing yet", async () => {
    await expectWithin(700, async () => {
      const { server } = await start();
      const silent = raw(server, "");
      const kept = raw(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      while (!kept.received().includes("served")) await wait(5);
      const tookMs = await durationOf(async () => expect(await server.stop(NEVER_MS)).toBe(0));
      await Promise.all([silent.closed, kept.closed]);
      return tookMs;
    });
  });

  it("waits a second, no longer, for a request that stopped in the middle of its headers", async () => {
    const { server } = await start();
    const unfinished = raw(server, "GET / HTTP/1.1\r\nHost: a\r\nX-Slow");
    await arrival();
    expect(await durationOf(async () => expect(await server.stop(NEVER_MS)).toBe(0))).toBeGreaterThan(900);
    await unfinished.closed;
  });

  it("still takes a request whose first bytes had come, and closes the connection after it", async () => {
    const { server } = await start();
    const late = raw(server, "GET / HTTP/1.1\r\nHost: a\r\n");
    while (late.socket.bytesWritten === 0) await wait(5);
    await arrival();
    const stopped = server.stop(NEVER_MS);
    late.socket.write("\r\n");
    expect(await late.closed).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*connection: close[\s\S]*served$/i);
    expect(await stopped).toBe(0);
  });

  it("closes a connection that was kept open for more once its answer, already on its way, is complete", async () => {
    let finish = () => {};
    const { server } = await start(async () => {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(Buffer.from("first "));
          finish = () => {
            controller.enqueue(Buffer.from("last"));
            controller.close();
          };
        },
      });
      return new Response(body);
    });
    const streamed = raw(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while (!streamed.received().includes("first")) await wait(5);
    const stopped = server.stop(NEVER_MS);
    await wait(1300);
    finish();
    expect(await stopped).toBe(0);
    expect(await streamed.closed).toMatch(/keep-alive[\s\S]*first [\s\S]*last/i);
  });

  it("serves a request whose body comes while it stops", async () => {
    const { server } = await start(async (request) => new Response(`got ${await request.text()}`));
    const slow = raw(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    await arrival();
    const stopped = server.stop(NEVER_MS);
    await wait(1200);
    slow.socket.write("def");
    expect(await slow.closed).toMatch(/got abcdef$/);
    expect(await stopped).toBe(0);
  });
});

describe("a client that sends requests ahead of their answers", () => {
  const get = (path: number) => `GET /${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const many = (count: number) => Array.from({ length: count }, (_, index) => get(index)).join("");

  it("gets up to 16 of them answered in order, and only one of them is worked on at a time", async () => {
    let [underWay, most] = [0, 0];
    const { server } = await start(async (request) => {
      most = Math.max(most, ++underWay);
      await arrival();
      underWay -= 1;
      return new Response(`<${new URL(request.url).pathname}>`);
    });
    const { received } = raw(server, many(16));
    await expect.poll(() => received()).toContain("</15>");
    expect(received().match(/<\/\d+>/g)).toEqual(Array.from({ length: 16 }, (_, index) => `</${index}>`));
    expect(most).toBe(1);
  });

  it("is cut off where it sends more, and others are served", async () => {
    let served = 0;
    const { server, url } = await start(async () => {
      served += 1;
      return new Response("served");
    });
    expect(await raw(server, many(1000)).closed).not.toContain("404");
    expect(served).toBeLessThanOrEqual(17);
    expect(await (await fetch(url)).text()).toBe("served");
  });

  it("has its later requests answered, too, when the first is a slow upload", async () => {
    const { server } = await start(async (request) => new Response(`<${(await request.text()).length}>`));
    const { socket, received } = raw(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    await arrival();
    socket.write(`cd${get(1)}${get(2)}`);
    await expect.poll(() => received().match(/<\d>/g)).toEqual(["<4>", "<0>", "<0>"]);
  });
});

describe("a client that does not read", () => {
  const LARGE = 64 * 1024 * 1024;

  async function startLarge() {
    const server = await listen("127.0.0.1", 0, () => {}, undefined, 1000);
    open.push(server);
    const body = new Uint8Array(LARGE);
    server.serve({ fetch: async () => new Response(body) });
    const socket = connect(server.address.port, "127.0.0.1");
    sockets.push(socket);
    socket.on("error", () => {});
    const closed = new Promise((resolve) => socket.on("close", resolve));
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    return { server, socket, closed };
  }

  it("is cut off", async () => {
    const { server, socket } = await startLarge();
    socket.pause();
    await arrival();
    // Nothing is left to wait for.
    await expect.poll(async () => (await server.stop(60_000)) === 0).toBe(true);
    socket.destroy();
  });

  it("for longer than a moment, and then reads, gets all of its answer", async () => {
    const { socket } = await startLarge();
    let read = 0;
    socket.on("data", (chunk: Buffer) => {
      read += chunk.length;
      if (read > LARGE) return;
      socket.pause();
      setImmediate(() => socket.resume());
    });
    await expect.poll(() => read, { timeout: 60_000 }).toBeGreaterThan(LARGE);
  });
});
