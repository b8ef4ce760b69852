import { once } from "node:events";
import { connect } from "node:http2";
import { describe, expect, it } from "vitest";
import { CookieJar } from "../support/cookie-jar.ts";
import { exchange } from "../support/raw-socket.ts";
import { createTestBed, PASSWORD, type TestBed } from "../support/test-bed.ts";
import { type Answer, type App, answers, apps, type Beforehand, type Seen } from "./same-request-apps.ts";

/** One answer, however it was asked for; values of headers byte for byte. */
interface Received {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

interface Question {
  readonly method?: string;
  readonly path?: string;
  readonly fields?: readonly (readonly [name: string, value: string])[];
  readonly body?: string;
}

async function ask({ port, http2 }: App, question: Question, cookie: string): Promise<Received> {
  const { method = "GET", path = "/shop/orders?page=1&q=%20", fields = [], body = "" } = question;
  if (http2) return askOverHttp2(port, method, path, [...fields, ["cookie", cookie]], body);
  const lines = [
    ["Host", "localhost"],
    ["Connection", "close"],
    ...fields.slice(0, 1),
    ["cOOkie", cookie],
    ...fields.slice(1),
  ];
  if (body !== "") lines.push(["Content-Length", String(body.length)]);
  const head = `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  const [answer] = await exchange(port, Buffer.from(head + body, "latin1"));
  return { status: answer!.status, headers: [...answer!.headers], body: answer!.body };
}

async function askOverHttp2(
  port: number,
  method: string,
  path: string,
  fields: readonly (readonly [string, string])[],
  body: string,
): Promise<Received> {
  const client = connect(`http://127.0.0.1:${port}`);
  try {
    const headers = { ":method": method, ":path": path, ...Object.fromEntries(fields) };
    const stream = client.request(headers, { endStream: body === "" });
    if (body !== "") stream.end(Buffer.from(body, "latin1"));
    const [answered] = await once(stream, "response");
    let text = "";
    stream.setEncoding("latin1").on("data", (chunk) => {
      text += chunk;
    });
    if (!stream.readableEnded) await once(stream, "end");
    const { ":status": status, ...others } = answered;
    const lines = Object.entries(others).flatMap(([name, value]) => [value].flat().map((one) => [name, String(one)]));
    return { status, headers: lines as [string, string][], body: text };
  } finally {
    client.destroy();
  }
}

/** A browser that has signed in, and its cookies with placeholders for what differs before and after a refresh. */
async function signIn(bed: TestBed, username = "ada"): Promise<CookieJar> {
  await bed.login(username);
  const json = { username, password: PASSWORD, transport: "cookie" };
  return new CookieJar().take((await bed.call("POST", "/auth/login", { json })).headers);
}

const session = (jar: CookieJar) => ["access", "refresh", "csrf"].map((kind) => `latchkey-${kind}=${jar.get(kind)}`);

/** With the tokens out of it. */
function masked<Value>(value: Value): Value {
  const text = JSON.stringify(value)
    .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, "<access token>")
    .replace(/lkr_[\w-]+/g, "<refresh token>");
  return JSON.parse(text);
}

const FORBIDDEN_BESIDE_COOKIES = /^(?:cache-control|expires|cdn-cache-control|surrogate-control)$/;
const OURS = /^latchkey-(?:access|refresh|csrf)=/;

/** What has to be the same for the client. */
function comparable({ status, headers, body }: Received, isRenewal: boolean) {
  const own = headers
    .filter(([name, value]) => !(name === "set-cookie" && OURS.test(value)) && name !== "date")
    .filter(([name]) => !(isRenewal && FORBIDDEN_BESIDE_COOKIES.test(name)));
  return { status, headers: own.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0)), body };
}

const setCookies = ({ headers }: Received) =>
  headers.filter(([name, value]) => name === "set-cookie" && OURS.test(value)).map(([, value]) => value.split("=")[0]);
/** The proxy of Next.js and the route handler behind it each delete for themselves. */
const deletedCookies = (received: Received) => [...new Set(setCookies(received))];
/** What the application says to networks of its own beside no-store, only the guard of the route could take back, not the proxy. */
const cacheFields = ({ headers }: Received, isProxy = false) =>
  headers.filter(([name]) => (isProxy ? /^cache-control$/ : FORBIDDEN_BESIDE_COOKIES).test(name));
const three = ["latchkey-access", "latchkey-refresh", "latchkey-csrf"];

/** Each way in which an access cookie has to be renewed. The others stand between ours, which come first afterwards. */
const stale: Readonly<Record<string, (ours: readonly string[], others: string) => string>> = {
  "no access cookie": ([, refresh, csrf], others) => `${refresh}; ${csrf}; ${others}`,
  "a bad access cookie, and ours last": ([, refresh, csrf], others) =>
    `${others}; ${csrf}; latchkey-access=eyJ.junk.x; ${refresh}`,
  "ours twice and thrice": ([, refresh, csrf], others) =>
    `${refresh}; ${others}; latchkey-refresh=second;latchkey-refresh=third; ${csrf}; latchkey-access=;${csrf}`,
};

const others: Readonly<Record<string, string>> = {
  none: "theme=dark",
  escaped: "city=%E6%9D%B1%E4%BA%AC; name=J%C3%BCrgen; prefs=a%3Bb%3D1; x=%3B%20latchkey-access%3Devil; nl=%0d%0a",
  "JSON, and one name twice": 'cart={"a":1}; ok=1; sid=first; sid=second',
  "odd names, quotes and spaces":
    '__HOST-latchkey-access=a; Latchkey-Refresh=b; "q"="a b"; nothing; =only;c=1;  d = 2 ;;e=',
  "UTF-8 as it is": Buffer.from("emoji=🔑; city=東京; name=Jürgen").toString("latin1"),
  "every byte, 12 KB": `all=${Array.from({ length: 256 }, (_, code) => code)
    .filter((code) => (code >= 0x20 && code !== 0x3b && code !== 0x7f) || code === 0x09)
    .map((code) => String.fromCharCode(code))
    .join("")
    .repeat(53)}`,
  "200 cookies": Array.from({ length: 200 }, (_, at) => `c${at % 60}=${at}`).join("; "),
};

describe.each(Object.entries(apps))("behind two guards on %s", (name, start) => {
  async function setUp(
    beforehand: Beforehand = "nothing",
    guards?: Parameters<typeof start>[0]["guards"],
    options = {},
  ) {
    const bed = await createTestBed(options);
    const seen: Seen[] = [];
    const app = await start({ issuer: bed.issuer, beforehand, seen, ...(guards && { guards }) });
    return { bed, seen, app };
  }

  /** Asks with a good access cookie and then with each that has to be renewed, and expects no difference. */
  async function expectNoDifference(
    { bed, seen, app }: Awaited<ReturnType<typeof setUp>>,
    question: Question,
    other: string,
    ways = Object.keys(stale),
    answer: Answer = answers.plain,
  ) {
    for (const way of ways) {
      const jar = await signIn(bed);
      const ours = session(jar);
      const proof = { ...question, fields: [...(question.fields ?? []), ["X-CSRF-Token", jar.get("csrf")] as const] };
      seen.length = 0;
      const good = await ask(app, proof, `${ours.join("; ")}; ${other}`);
      const refreshes = () => bed.events.filter(({ type }) => type === "session.refreshed").length;
      const before = refreshes();
      const renewal = await ask(app, proof, stale[way]!(ours, other));
      expect([way, good.status]).toEqual([way, answer.status]);
      expect(setCookies(good)).toEqual([]);
      expect([way, seen.length, refreshes() - before]).toEqual([way, 2, 1]);
      expect(masked(seen[1])).toEqual(masked(seen[0]));
      expect(seen[0]!.sub).toBeDefined();
      const isToSet = answer.status < 400 || name.includes("proxy");
      expect([way, setCookies(renewal)]).toEqual([way, isToSet ? three : []]);
      if (isToSet)
        expect([way, cacheFields(renewal, name.includes("proxy"))]).toEqual([way, [["cache-control", "no-store"]]]);
      expect(comparable(renewal, isToSet)).toEqual(comparable(good, isToSet));
    }
  }

  it.each(Object.entries(others))("a handler sees the same, and a client gets the same: %s", async (kind, other) => {
    const ways =
      kind === "none" || kind.startsWith("odd") ? Object.keys(stale) : ["a bad access cookie, and ours last"];
    await expectNoDifference(await setUp(), {}, other, ways);
  });

  it.each(Object.entries(answers))(
    "a client gets the same, and no cache keeps the cookies: %s",
    async (kind, answer) => {
      const world = await setUp();
      await expectNoDifference(world, { fields: [["X-Answer", kind]] }, "theme=dark", ["no access cookie"], answer);
    },
  );

  it.each<Beforehand>(["nothing", "body read", "body wrapped", "headers immutable", "body read, headers immutable"])(
    "a body arrives whole, before the guards: %s",
    async (beforehand) => {
      const world = await setUp(beforehand);
      const fields = [["Content-Type", "text/plain"]] as const;
      for (const method of ["POST", "PUT", "DELETE"]) {
        const question = { method, fields, body: `\xff\x80 ${"x".repeat(70_000)}` };
        await expectNoDifference(world, question, "theme=dark", ["no access cookie"]);
      }
    },
  );

  it("the second guard meets the person that the first has met, whatever it asks for", async () => {
    for (const second of [{ implicitRefresh: false }, { locations: ["cookie"] }, { optional: true }] as const) {
      const world = await setUp("nothing", [{}, second]);
      await expectNoDifference(world, {}, "theme=dark", ["no access cookie"]);
    }
  });

  it("an optional guard takes dead, foreign, junk and future-dated cookies for nobody's, and deletes what is over", async () => {
    const { bed, seen, app } = await setUp("nothing", [{ optional: true }, { optional: true }]);
    const stranger = await signIn(await createTestBed({ secret: "Zt4nVb8xQm2cLr6wPk0sHd3fJy7gUa5eTi9oXq1zBvN" }));
    const [ended, future] = [await signIn(bed), await signIn(bed)];
    await bed.issuer.logout(ended.get("refresh"));
    bed.clock.advanceSeconds(-3000);
    const cases: readonly (readonly [cookie: string, deleted: readonly string[]])[] = [
      ["latchkey-refresh=junk; theme=dark", three],
      ["latchkey-access=junk; theme=dark", ["latchkey-access"]],
      ["latchkey-access=junk; latchkey-refresh=junk", three],
      [session(stranger).join("; "), ["latchkey-access"]],
      [session(ended).join("; "), three],
      [`latchkey-access=${future.get("access")}`, ["latchkey-access"]],
    ];
    for (const [cookie, deleted] of cases) {
      seen.length = 0;
      const answer = await ask(app, {}, cookie);
      expect([cookie, answer.status, seen.map(({ sub }) => sub)]).toEqual([cookie, 200, [undefined]]);
      expect([cookie, deletedCookies(answer)]).toEqual([cookie, deleted]);
      expect(answer.headers.filter(([field, value]) => field === "set-cookie" && !value.includes("Max-Age=0"))).toEqual(
        [],
      );
    }
  });

  it("a guard refuses the same cookies with 401, deletes the same ones, and keeps what it does not know", async () => {
    const { bed, app } = await setUp();
    const [ended, altered] = [await signIn(bed), await signIn(bed)];
    await bed.issuer.logout(ended.get("refresh"));
    altered.drop("access").set("refresh", `${altered.get("refresh").slice(0, -6)}AAAAAA`);
    for (const [cookie, code, deleted] of [
      ["latchkey-refresh=junk", "invalid_refresh_token", three],
      ["latchkey-access=junk", "invalid_access_token", ["latchkey-access"]],
      [session(ended).join("; "), "session_revoked", three],
      [altered.header().cookie, "invalid_refresh_token", []],
    ] as const) {
      const answer = await ask(app, {}, cookie);
      expect([cookie, answer.status, JSON.parse(answer.body).error]).toEqual([cookie, 401, code]);
      expect([cookie, deletedCookies(answer)]).toEqual([cookie, deleted]);
    }
    const [bad, good] = [await ask(app, { fields: [["Authorization", "Bearer junk"]] }, ""), await signIn(bed)];
    expect(bad.status).toBe(401);
    const both = await ask(app, { fields: [["Authorization", "Bearer junk"]] }, session(good).join("; "));
    expect([both.status, setCookies(both)]).toEqual([401, []]);
  });

  it("an error carries the new cookies under strict rotation, be it the handler's, a guard's or a failure", async () => {
    const failing = { loadUser: () => Promise.reject(new Error("The user table is away.")) };
    for (const [status, second, answer] of [
      [404, {}, "missing"],
      [500, {}, "failed"],
      [403, { role: "editor" }, "plain"],
      [500, failing, "plain"],
    ] as const) {
      const { bed, app } = await setUp("nothing", [{}, second], { rotationGraceSeconds: 0 });
      // Next.js answers by itself where a route handler throws.
      if (second === failing && name.startsWith("Next")) continue;
      const jar = await signIn(bed);
      const received = await ask(
        app,
        { fields: [["X-Answer", answer]] },
        session(jar.drop("access")).slice(1).join("; "),
      );
      expect([status, received.status, setCookies(received)]).toEqual([status, status, three]);
      expect([status, cacheFields(received)]).toEqual([status, [["cache-control", "no-store"]]]);
    }
  });

  it("two guards never let two people through", async () => {
    const { bed, seen, app } = await setUp("nothing", [{ locations: ["cookie"] }, { locations: ["header"] }]);
    const [ada, bob] = [await signIn(bed), await bed.login("bob")];
    const fields = [["Authorization", `Bearer ${bob.access_token}`]] as const;
    for (const cookie of [session(ada).join("; "), session(ada).slice(1).join("; ")]) {
      const answer = await ask(app, { fields }, cookie);
      expect([answer.status, JSON.parse(answer.body).error, seen]).toEqual([400, "invalid_request", []]);
      expect(answer.body).not.toContain(bob.access_token);
    }
  });

  it("bytes that HTTP forbids and headers that are too long get the same clear refusal, and no token", async () => {
    if (name === "HTTP/2") return;
    const { bed, app } = await setUp();
    const ours = session(await signIn(bed));
    const forbidden = ["\0", "\x01", "\x1f", "\x7f", "\r", "\n", "\r\n", "x".repeat(20_000)];
    for (const byte of forbidden) {
      const [good, renewal] = [
        await ask(app, {}, `${ours.join("; ")}; a=${byte}b`),
        await ask(app, {}, `a=${byte}b; ${ours.slice(1).join("; ")}`),
      ];
      const label = JSON.stringify(byte.slice(0, 8));
      expect([label, renewal.status, renewal.body]).toEqual([label, good.status, good.body]);
      expect([label, [200, 400, 431].includes(good.status)]).toEqual([label, true]);
      expect(renewal.body + JSON.stringify(comparable(renewal, true))).not.toMatch(/lkr_|eyJ/);
    }
  });
});
