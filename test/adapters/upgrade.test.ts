import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { describe, expect, it, onTestFinished } from "vitest";
import { admitUpgrade, type GuardNodeOptions } from "../../src/adapters/node.ts";
import { type Admission, createGuard, type GuardOptions } from "../../src/index.ts";
import { exchange, open, type RawAnswer, requestText } from "../support/raw-socket.ts";
import { createTestBed, ISSUER, PASSWORD, type TestBed } from "../support/test-bed.ts";

const HANDSHAKE = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** What the application was handed. */
interface Upgraded {
  readonly admission: Admission;
  readonly request: IncomingMessage;
}

async function setUp(options: GuardOptions = {}, upgradeOptions: GuardNodeOptions = {}) {
  const bed = await createTestBed();
  const guard = createGuard(bed.issuer, options);
  const upgraded: Upgraded[] = [];
  const decided: Promise<unknown>[] = [];
  const server = createServer((_, response) => response.end("not upgraded"));
  server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
    const decision = admitUpgrade(guard, request, socket, upgradeOptions).then((admission) => {
      if (admission === undefined) return;
      upgraded.push({ admission: admission as Admission, request });
      socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    });
    decided.push(decision);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const shake = async (headers: Record<string, string>, target = "/live") => {
    const [answer] = await exchange(port, requestText(`GET ${target}`, { ...HANDSHAKE, ...headers }));
    return answer!;
  };
  return { bed, port, shake, upgraded, decided, pair: await bed.login() };
}

async function cookiesOf(bed: TestBed): Promise<Record<"all" | "stale" | "refresh", string>> {
  const { headers } = await bed.call("POST", "/auth/login", {
    json: { username: "ada", password: PASSWORD, transport: "cookie" },
  });
  const pairs = headers.getSetCookie().map((line) => line.split(";")[0]!);
  return {
    all: pairs.join("; "),
    stale: pairs.filter((pair) => !pair.includes("-access")).join("; "),
    refresh: pairs.find((pair) => pair.includes("-refresh"))!.split("=")[1]!,
  };
}

const errorOf = ({ status, body }: RawAnswer) => [status, body === "" ? undefined : JSON.parse(body).error];

describe("PARITY 24: WebSocket upgrade guarded by header, cookie, subprotocol or opted-in query: refused before the upgrade", () => {
  it("by header, and a refusal has the one error shape and the challenge", async () => {
    const { shake, pair, upgraded } = await setUp({ role: "editor" });
    const { bed: _, ...open } = await setUp();
    expect((await open.shake({ Authorization: `Bearer ${open.pair.access_token}` })).status).toBe(101);
    expect(open.upgraded[0]?.admission.auth.sid).toBe(open.pair.session_id);

    const missing = await shake({});
    expect(errorOf(missing)).toEqual([401, "missing_token"]);
    expect(missing.headers.get("www-authenticate")).toBe('Bearer realm="latchkey"');
    expect(missing.headers.get("connection")).toBe("close");
    expect(errorOf(await shake({ Authorization: `Bearer ${pair.refresh_token}` }))).toEqual([401, "wrong_token_type"]);
    expect(errorOf(await shake({ Authorization: `Bearer ${pair.access_token}` }))).toEqual([403, "insufficient_role"]);
    expect(upgraded).toEqual([]);
  });

  it("by cookie, only from a page of ours: another site's page may open a WebSocket with the cookies", async () => {
    const { bed, shake, upgraded } = await setUp();
    const { all } = await cookiesOf(bed);
    for (const headers of [{ Origin: ISSUER }, {}, { "Sec-Fetch-Site": "same-origin" }]) {
      expect((await shake({ Cookie: all, ...headers })).status).toBe(101);
    }
    expect(upgraded).toHaveLength(3);
    for (const headers of [
      { Origin: "https://evil.example" },
      { Origin: "null" },
      { Origin: `${ISSUER}0` },
      { "Sec-Fetch-Site": "cross-site" },
      { "Sec-Fetch-Site": "same-site" },
    ] as Record<string, string>[]) {
      expect([headers, ...errorOf(await shake({ Cookie: all, ...headers }))]).toEqual([
        headers,
        403,
        "cross_site_request",
      ]);
    }
    expect(upgraded).toHaveLength(3);
  });

  it("by cookie from an origin that the guard allows", async () => {
    const { bed, shake } = await setUp({ allowedOrigins: ["https://app.example.com"] });
    const { all } = await cookiesOf(bed);
    expect((await shake({ Cookie: all, Origin: "https://app.example.com" })).status).toBe(101);
  });

  it("by an expired access cookie and a good refresh cookie: admitted with new cookies; another site's page rotates nothing", async () => {
    const { bed, shake, upgraded } = await setUp();
    const { stale, refresh } = await cookiesOf(bed);
    const events = bed.events.length;
    expect((await shake({ Cookie: stale, Origin: "https://evil.example" })).status).toBe(403);
    expect(bed.events.length).toBe(events);
    expect((await shake({ Cookie: stale, Origin: ISSUER })).status).toBe(101);
    expect(upgraded[0]?.admission.setCookies).toHaveLength(3);
    expect(upgraded[0]?.admission.cookieHeader).not.toContain(refresh);
    const { headers, rawHeaders } = upgraded[0]!.request;
    expect(headers.cookie).toBe(upgraded[0]!.admission.cookieHeader);
    expect(rawHeaders.filter((_, at) => rawHeaders[at - 1] === "Cookie")).toEqual([headers.cookie]);
  });

  it("by subprotocol, which the application does not get to see and so cannot send back", async () => {
    const { shake, pair, upgraded } = await setUp();
    const token = `latchkey.bearer.${pair.access_token}`;
    for (const offered of [`chat, ${token}`, `${token},chat`, token]) {
      expect((await shake({ "Sec-WebSocket-Protocol": offered })).status).toBe(101);
    }
    const seen = upgraded.map(({ request }) => request.headers["sec-websocket-protocol"]);
    expect(seen).toEqual(["chat", "chat", undefined]);
    for (const { request } of upgraded) expect(request.rawHeaders.join()).not.toContain(pair.access_token);
  });

  it("not by two tokens, a bad one, or a refresh token as subprotocol", async () => {
    const { shake, pair, upgraded } = await setUp();
    const protocol = (token: string) => ({ "Sec-WebSocket-Protocol": `chat, latchkey.bearer.${token}` });
    const both = { ...protocol(pair.access_token), Authorization: `Bearer ${pair.access_token}` };
    expect((await shake(both)).status).toBe(401);
    expect(errorOf(await shake(protocol("garbage")))).toEqual([401, "invalid_access_token"]);
    expect(errorOf(await shake(protocol("")))).toEqual([401, "invalid_access_token"]);
    expect(errorOf(await shake(protocol(pair.refresh_token)))).toEqual([401, "wrong_token_type"]);
    expect(upgraded).toEqual([]);
  });

  it("by query only where the guard opts in", async () => {
    const closed = await setUp();
    const target = (token: string) => `/live?access_token=${token}`;
    expect(errorOf(await closed.shake({}, target(closed.pair.access_token)))).toEqual([400, "token_in_query"]);
    const { shake, pair } = await setUp({ locations: ["header", "query"] });
    expect((await shake({}, target(pair.access_token))).status).toBe(101);
    expect(errorOf(await shake({}, target(pair.refresh_token)))).toEqual([401, "wrong_token_type"]);
  });

  it("with 400 where the request is none that the web knows, and with 500 where the application fails, which it is told", async () => {
    const failures: unknown[] = [];
    const failing = () => {
      throw new Error("The rooms are away.");
    };
    const { shake, pair, upgraded } = await setUp({}, { resource: failing, onError: (error) => failures.push(error) });
    const bearer = { Authorization: `Bearer ${pair.access_token}` };
    expect(errorOf(await shake(bearer))).toEqual([500, "internal_error"]);
    expect(failures).toMatchObject([{ message: "The rooms are away." }]);
    const plain = await setUp();
    expect(errorOf(await plain.shake({ ...bearer, Host: "a b" }))).toEqual([400, "invalid_request"]);
    expect(upgraded).toEqual([]);
  });

  it("and a client that hangs up while it is being decided is nobody's business any more", async () => {
    let decide = () => {};
    const waiting = new Promise<void>((resolve) => {
      decide = resolve;
    });
    const { port, pair, decided, upgraded } = await setUp({
      isRevoked: async () => {
        await waiting;
        return false;
      },
    });
    const socket = await open(port);
    socket.write(requestText("GET /live", { ...HANDSHAKE, Authorization: `Bearer ${pair.access_token}` }));
    await expect.poll(() => decided.length).toBe(1);
    socket.resetAndDestroy();
    await once(socket, "close");
    decide();
    await Promise.all(decided);
    expect(upgraded).toEqual([]);
  });
});
