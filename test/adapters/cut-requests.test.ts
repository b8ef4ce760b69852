import { once } from "node:events";
import { type ClientHttp2Stream, connect, constants, type IncomingHttpHeaders } from "node:http2";
import { setImmediate, setTimeout as wait } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { CookieJar } from "../support/cookie-jar.ts";
import { exchange, open, requestText } from "../support/raw-socket.ts";
import { createTestBed, PASSWORD } from "../support/test-bed.ts";
import { apps, type Seen } from "./same-request-apps.ts";

const overHttp1 = Object.entries(apps).filter(([name]) => name !== "HTTP/2");
/** What a connection may do once a part of the request has been sent. */
const endings = ["half-closed", "reset", "closed"] as const;

describe.each(overHttp1)("a request that is cut off on %s", (_, start) => {
  async function setUp() {
    const failures: unknown[] = [];
    const note = (error: unknown) => failures.push(error);
    process.on("uncaughtExceptionMonitor", note);
    onTestFinished(() => void process.off("uncaughtExceptionMonitor", note));
    const bed = await createTestBed();
    const seen: Seen[] = [];
    const app = await start({ issuer: bed.issuer, beforehand: "nothing", seen });
    await bed.login();
    const json = { username: "ada", password: PASSWORD, transport: "cookie" };
    const jar = new CookieJar().take((await bed.call("POST", "/auth/login", { json })).headers).drop("access");
    const headers = { Cookie: jar.header().cookie, "X-CSRF-Token": jar.get("csrf"), "Content-Length": "4" };
    const text = requestText("POST /shop/orders", headers, "body");
    return { bed, app, jar, seen, text, failures };
  }

  /** Sends a part, has the connection end in that way, and returns all that came back. */
  async function cut(port: number, part: string, ending: (typeof endings)[number], afterTurns = 0): Promise<string> {
    const socket = await open(port);
    let received = "";
    socket.setEncoding("latin1").on("data", (chunk) => {
      received += chunk;
    });
    const closed = once(socket, "close");
    if (part !== "") socket.write(part);
    for (let turn = 0; turn < afterTurns; turn++) await setImmediate();
    if (ending === "half-closed") socket.end();
    else if (ending === "reset") socket.resetAndDestroy();
    else socket.destroy();
    // A connection that the server leaves open is idle, and is closed by us.
    await Promise.race([closed, wait(2000, undefined, { ref: false }).then(() => socket.destroy())]);
    return received;
  }

  it("after any byte gets no answer or a clear refusal, changes nothing, and fails nothing", async () => {
    const { bed, app, seen, text, failures } = await setUp();
    const headEnd = text.indexOf("\r\n\r\n") + 4;
    const lengths = Array.from({ length: headEnd }, (_, at) => at);
    for (const ending of endings) {
      const some = ending === "half-closed" ? lengths : lengths.filter((at) => at % 23 === 0);
      const answers = await Promise.all(some.map((at) => cut(app.port, text.slice(0, at), ending)));
      for (const answer of answers) {
        expect(answer === "" || /^HTTP\/1\.1 400 /.test(answer)).toBe(true);
        expect(answer).not.toMatch(/lkr_|eyJ/);
      }
    }
    expect([seen, bed.events.filter(({ type }) => type === "session.refreshed"), failures]).toEqual([[], [], []]);
    const [whole] = await exchange(app.port, text);
    expect([whole!.status, whole!.headers.getSetCookie().length]).toEqual([200, 3]);
  });

  it("that is idle in the middle, or after its end, gets the good answer, and refreshes once", async () => {
    const { bed, app, text } = await setUp();
    const headEnd = text.indexOf("\r\n\r\n") + 4;
    const places = [1, headEnd >> 1, headEnd - 2, headEnd, text.length - 1, text.length];
    const answers = await Promise.all(
      places.map(async (place) => (await exchange(app.port, text.slice(0, place), "", text.slice(place)))[0]!),
    );
    expect(answers.map(({ status, headers }) => [status, headers.getSetCookie().length])).toEqual(
      places.map(() => [200, 3]),
    );
    const decisions = bed.events.flatMap((event) => (event.type === "session.refreshed" ? [event.decision] : []));
    expect(decisions.filter((decision) => decision === "advance")).toHaveLength(1);
  });

  it("at any moment of its refresh gets the good answer or none, and the session goes on with the same cookie", async () => {
    const { bed, app, jar, text, failures } = await setUp();
    const headEnd = text.indexOf("\r\n\r\n") + 4;
    for (const part of [text.slice(0, headEnd), text.slice(0, -2), text]) {
      for (const ending of endings) {
        const turns = [0, 1, 2, 3, 5, 8, 13, 21];
        const answers = await Promise.all(turns.map((turn) => cut(app.port, part, ending, turn)));
        for (const answer of answers) {
          // 503 says that nothing was changed; a body that has been cut off is the application's to refuse.
          expect(answer).toMatch(/^(?:$|HTTP\/1\.1 (?:200|400|500|503) )/);
          const refusal = answer.startsWith("HTTP/1.1 200") ? "" : answer.replace(/^set-cookie: .*$/gim, "");
          expect(refusal).not.toMatch(/lkr_|eyJ/);
        }
      }
    }
    expect(failures).toEqual([]);
    expect(bed.events.map(({ type }) => type)).not.toContain("refresh_token.reused");
    const [whole] = await exchange(app.port, text);
    expect([whole!.status, whole!.headers.getSetCookie().length]).toEqual([200, 3]);
    expect(jar.take(whole!.headers).get("refresh")).toMatch(/^lkr_/);
  });
});

describe("a request over HTTP/2 whose stream ends early", () => {
  it.each([
    ["reset", (stream: ClientHttp2Stream) => stream.close(constants.NGHTTP2_CANCEL)],
    ["broken off with its connection", (stream: ClientHttp2Stream) => stream.session?.destroy()],
  ])("%s at any moment of its refresh changes nothing for the next one", async (_, end) => {
    const failures: unknown[] = [];
    const note = (error: unknown) => failures.push(error);
    process.on("uncaughtExceptionMonitor", note);
    onTestFinished(() => void process.off("uncaughtExceptionMonitor", note));
    const bed = await createTestBed();
    const app = await apps["HTTP/2"]!({ issuer: bed.issuer, beforehand: "nothing", seen: [] });
    await bed.login();
    const json = { username: "ada", password: PASSWORD, transport: "cookie" };
    const jar = new CookieJar().take((await bed.call("POST", "/auth/login", { json })).headers).drop("access");
    const headers = { ":method": "POST", ":path": "/shop/orders", ...jar.header(), "x-csrf-token": jar.get("csrf")! };

    async function request(whileOpen: (stream: ClientHttp2Stream) => Promise<void>, body: string) {
      const client = connect(`http://127.0.0.1:${app.port}`).on("error", () => {});
      onTestFinished(() => client.destroy());
      const stream = client.request(headers).on("error", () => {});
      let answer: IncomingHttpHeaders | undefined;
      stream.on("response", (received) => {
        answer = received;
      });
      const closed = new Promise((resolve) => stream.once("close", resolve));
      stream.resume();
      if (body === "body") stream.end(body);
      else stream.write(body);
      await whileOpen(stream);
      await closed;
      return answer;
    }

    for (const body of ["bo", "body"]) {
      const turns = [0, 1, 2, 3, 5, 8, 13, 21, 34];
      await Promise.all(
        turns.map((count) =>
          request(async (stream) => {
            for (let turn = 0; turn < count; turn++) await setImmediate();
            end(stream);
          }, body),
        ),
      );
    }
    const answer = await request(async () => {}, "body");
    expect([answer?.[":status"], answer?.["set-cookie"]?.length]).toEqual([200, 3]);
    expect(bed.events.map(({ type }) => type)).not.toContain("refresh_token.reused");
    expect(failures).toEqual([]);
  });
});
