import { describe, expect, it } from "vitest";
import type { LatchkeyEvent } from "../../src/engine/events.ts";
import { LatchkeyError } from "../../src/errors.ts";
import { createLogger, type LoggerOptions, logEvents } from "../../src/server/process/logger.ts";
import { logLevels } from "../../src/server/settings/settings.ts";

function logger(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const log = createLogger({
    level: "trace",
    form: "json",
    secrets: [],
    write: (text) => void lines.push(text),
    ...options,
  });
  return { log, lines, text: () => lines.join(""), entry: () => JSON.parse(lines[0]!) };
}

const forms = ["json", "readable"] as const;
const levels = logLevels.filter((level) => level !== "silent");
const CANARY = "canary-4c1f7e90";

describe("a log line", () => {
  it("is one JSON object with its level in words, its time in UTC and its message", () => {
    const { log, entry, text } = logger();
    log.info({ requestId: "r-1" }, "signed in");
    expect(entry()).toEqual({ level: "info", time: expect.any(String), requestId: "r-1", msg: "signed in" });
    expect(new Date(entry().time).toISOString()).toBe(entry().time);
    expect(text().endsWith("}\n")).toBe(true);
  });

  it("says which of several processes wrote it", () => {
    for (const form of forms) {
      const { log, text } = logger({ form, origin: { worker: 3, pid: 4711 } });
      log.info("signed in");
      expect(text()).toMatch(/worker"?: ?3/);
      expect(text()).toContain("4711");
    }
  });

  it("is written at its level and above, and at none when silent", () => {
    for (const [at, level] of logLevels.entries()) {
      const { log, lines } = logger({ level });
      for (const written of levels) log[written]("x");
      expect(lines).toHaveLength(level === "silent" ? 0 : at + 1);
    }
  });

  const secretFields = [
    "authorization",
    "Authorization",
    "proxy-authorization",
    "cookie",
    "Cookie",
    "set-cookie",
    "password",
    "current_password",
    "newPassword",
    "token",
    "access_token",
    "refreshToken",
    "setup_token",
    "client_secret",
    "secret",
    "privateKey",
    "x-csrf-token",
  ];
  it.each(secretFields)("never shows the value of a field called %s, at any level, however deep", (field) => {
    for (const form of forms) {
      const { log, text } = logger({ form });
      for (const level of levels) {
        log[level]({ [field]: CANARY }, "x");
        log[level]({ request: { headers: { [field]: CANARY } } }, "x");
        log[level]({ list: [{ [field]: [CANARY] }] }, "x");
      }
      expect(text()).not.toContain(CANARY);
      expect(text()).toContain("[redacted]");
    }
  });

  it.each([
    ["a refresh token", `lkr_${"A1b2".repeat(20)}`],
    ["a client secret", `lks_${"A1b2".repeat(11)}`],
    ["an access token", `eyJhbGciOiJFUzI1NiJ9.${"eyJzdWIi".repeat(3)}.${"c2ln".repeat(10)}`],
    ["a bearer header", `Bearer ${CANARY}`],
    ["a basic header", `Basic ${CANARY}`],
    ["a password hash", `$argon2id$v=19$m=19456,t=2,p=1$${"c2FsdA".repeat(3)}$${"aGFzaA".repeat(5)}`],
  ])("shows no part of %s inside a message, a path, an error or its cause", (_, secret) => {
    for (const form of forms) {
      const { log, text } = logger({ form });
      const error = new Error(`it said ${secret}`, { cause: new LatchkeyError("internal_error", { detail: secret }) });
      log.info({ path: `/auth/${secret}`, note: `x ${secret} y` }, `got ${secret}.`);
      log.error({ err: error }, "failed");
      expect(text()).not.toContain(secret);
      const tail = secret.slice(-12);
      expect(text()).not.toContain(tail);
    }
  });

  it("shows of an object of a class its own fields alone, whatever it would say of itself", () => {
    class Credentials {
      readonly user = "ada";
      toJSON() {
        return { note: CANARY };
      }
    }
    const { log, text, entry } = logger();
    log.info({ who: new Credentials(), where: new URL(`https://ada:${CANARY}@example.com`) }, "x");
    expect(text()).not.toContain(CANARY);
    expect(entry()).toMatchObject({ who: { user: "ada" }, where: {} });
  });

  it("never holds the server's own secrets, wherever they turn up", () => {
    const { log, text } = logger({ secrets: ["q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM"] });
    log.error(
      { err: new Error("q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM") },
      "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM",
    );
    expect(text()).not.toContain("q8ZbF3vJw1nR");
  });

  it("of an error tells type, code, message, place and cause, and none of its other fields", () => {
    const { log, entry, text } = logger();
    const cause = Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR", rawCode: 10, sql: CANARY });
    log.error(
      { err: new LatchkeyError("store_unavailable", { detail: "The disk failed.", cause }) },
      "a request failed",
    );
    expect(entry().err).toMatchObject({
      type: "LatchkeyError",
      code: "store_unavailable",
      detail: "The disk failed.",
      cause: { type: "Error", code: "SQLITE_IOERR", rawCode: 10, message: "disk I/O error" },
    });
    expect(entry().err.stack).toContain("logger.test.ts");
    expect(text()).not.toContain(CANARY);
  });

  it("does not repeat what a parser was given", () => {
    const { log, text } = logger();
    try {
      JSON.parse(`{"password": ${CANARY}`);
    } catch (error) {
      log.error({ err: error }, "failed");
    }
    expect(text()).toContain("SyntaxError");
    expect(text()).not.toContain("canary");
  });

  const hostile = [
    "\r\n",
    "\n",
    '\n{"level":"info","msg":"forged"}\n',
    "\u001b[2J\u001b[31m",
    "\u009b2J",
    "\u0085",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\u0000",
    "\u007f",
    '"}',
    "\\",
    "\\u001b",
  ];
  it.each(hostile)("stays one line that does not speak to the terminal, whatever %j in it", (part) => {
    const text = `Mozilla/5.0 ${part} end`;
    for (const form of forms) {
      const { log, lines } = logger({ form });
      log.info({ userAgent: text, nested: { [text]: [text] } }, "signed in");
      expect(lines).toHaveLength(1);
      expect(lines[0]!.endsWith("\n")).toBe(true);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
      expect(lines[0]!.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
      if (form === "json") expect(JSON.parse(lines[0]!).userAgent).toBe(text);
    }
  });

  it("of a listener on a closed or full output is lost without failing who writes it", () => {
    const { log } = logger({ write: () => {} });
    expect(() => log.info("x")).not.toThrow();
  });
});

describe("an event", () => {
  const base = { time: "2026-11-21T12:00:00.000Z", requestId: "r-1", ip: "192.0.2.7" };
  const session = { subject: "ada-id", sessionId: "session-id" };
  const events: readonly LatchkeyEvent[] = [
    { ...base, ...session, type: "login.succeeded", clientId: "first-party", userAgent: "curl" },
    { ...base, type: "login.failed", reason: "wrong_password", subject: null },
    { ...base, ...session, type: "session.refreshed", generation: 2, decision: "advance" },
    { ...base, ...session, type: "refresh_token.reused", generation: 1, confirmed: 3 },
    { ...base, ...session, type: "session.rolled_back", generation: 5, known: 3 },
    { ...base, ...session, type: "session.reauthenticated" },
    { ...base, ...session, type: "session.adopted", clientId: "first-party" },
    {
      ...base,
      ...session,
      type: "session.adoption_refused",
      clientId: "first-party",
      presentedSubject: "bob",
      presentedClientId: "web",
    },
    { ...base, ...session, type: "session.logged_out" },
    { ...base, ...session, type: "session.revoked", reason: "logout_all" },
    { ...base, type: "user.registered", subject: "ada-id" },
    { ...base, ...session, type: "user.password_changed" },
    { ...base, type: "user.disabled", subject: "ada-id" },
    { ...base, type: "user.enabled", subject: "ada-id" },
    { ...base, type: "user.roles_changed", subject: "ada-id", roles: ["admin"] },
    { ...base, type: "client.created", clientId: "lkc_x" },
    { ...base, type: "client.disabled", clientId: "lkc_x" },
    { ...base, type: "client.enabled", clientId: "lkc_x" },
    { ...base, type: "client.refused", clientId: null },
    { ...base, type: "client.token_issued", clientId: "lkc_x", scope: "reports:read" },
    { ...base, type: "signing_key.rotated", kid: "kid-1" },
    { ...base, type: "signing_key.removed", kid: "kid-1" },
    { ...base, type: "clock.differs", aheadSeconds: -300 },
    { ...base, type: "store.degraded", detail: "The thread for long reads cannot run." },
  ];

  it.each(events.map((event) => [event.type, event] as const))(
    "PARITY 40: %s is one line with all its fields",
    (type, event) => {
      const { log, lines, entry } = logger();
      logEvents(log)(event);
      expect(lines).toHaveLength(1);
      const { type: _, time: __, ...fields } = event;
      const warns = [
        "login.failed",
        "refresh_token.reused",
        "session.rolled_back",
        "client.refused",
        "clock.differs",
        "signing_key.removed",
        "store.degraded",
        "session.adoption_refused",
      ].includes(type);
      expect(entry()).toEqual({
        level: warns ? "warn" : "info",
        time: expect.any(String),
        event: type,
        ...fields,
        msg: expect.stringMatching(/./),
      });
    },
  );
});
