import { systemEnvironment } from "../../src/environment.ts";
import {
  createHandler,
  createIssuer,
  type Handler,
  type HandlerOptions,
  type Issuer,
  type IssuerOptions,
  type LatchkeyEvent,
} from "../../src/index.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { afterEveryTest } from "./after-each.ts";

export const ISSUER = "http://127.0.0.1:4000";
export const SECRET = "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM";
export const PASSWORD = "correct horse battery staple";

/** A clock that stands still until it is told otherwise. */
export interface TestClock {
  now(): number;
  advanceSeconds(seconds: number): void;
  set(now: number): void;
}

export function createTestClock(start = Date.UTC(2026, 10, 21, 12)): TestClock {
  let now = start;
  return {
    now: () => now,
    advanceSeconds(seconds) {
      now += seconds * 1000;
    },
    set(to) {
      now = to;
    },
  };
}

/** A whole Latchkey on a real store, SQLite in memory unless told otherwise, with a clock in hand. */
export interface TestBed {
  readonly issuer: Issuer;
  readonly handler: Handler;
  readonly store: Store;
  readonly clock: TestClock;
  readonly events: LatchkeyEvent[];
  /** Sends JSON (or nothing) through the handler. */
  call(method: string, path: string, request?: CallRequest): Promise<Reply>;
  /** Creates `ada` with {@link PASSWORD} and logs her in over HTTP. */
  login(username?: string): Promise<Pair>;
}

export interface CallRequest {
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  readonly bearer?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly ip?: string;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
  readonly body: any;
}

export interface Pair {
  readonly access_token: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly refresh_token: string;
  readonly refresh_expires_in: number;
  readonly session_id: string;
  readonly device_token?: string;
}

const open = new Set<Issuer>();

afterEveryTest(async () => {
  for (const issuer of open) await issuer.close();
  open.clear();
});

export interface TestBedOptions extends Partial<IssuerOptions> {
  readonly path?: string;
  readonly clock?: never;
}

/** Opens a test bed; it is closed after the test. */
export async function createTestBed(
  { path = ":memory:", store: given, ...issuerOptions }: TestBedOptions = {},
  handlerOptions: HandlerOptions = {},
  clock: TestClock = createTestClock(),
): Promise<TestBed> {
  const store = given ?? (await createSqliteStore(path));
  const events: LatchkeyEvent[] = [];
  const issuer = await createIssuer({
    issuer: ISSUER,
    secret: SECRET,
    store,
    environment: { ...systemEnvironment, clock },
    onEvent: (event) => events.push(event),
    ...issuerOptions,
  });
  open.add(issuer);
  const handler = createHandler(issuer, handlerOptions);

  async function call(
    method: string,
    path: string,
    { json, form, bearer, headers = {}, ip = "192.0.2.1" }: CallRequest = {},
  ): Promise<Reply> {
    const body =
      json !== undefined ? JSON.stringify(json) : form !== undefined ? new URLSearchParams(form).toString() : undefined;
    const request = new Request(ISSUER + path, {
      method,
      headers: {
        ...(json !== undefined && { "content-type": "application/json" }),
        ...(form !== undefined && { "content-type": "application/x-www-form-urlencoded" }),
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...headers,
      },
      ...(body !== undefined && { body }),
    });
    return reply(await handler.fetch(request, { remoteAddress: ip }));
  }

  return {
    issuer,
    handler,
    store,
    clock,
    events,
    call,
    async login(username = "ada") {
      if ((await store.findUserByUsername(username)) === null) {
        await issuer.users.create({ username, password: PASSWORD, roles: [] });
      }
      const { status, body } = await call("POST", "/auth/login", { json: { username, password: PASSWORD } });
      if (status !== 200) throw new Error(`The login answered ${status}.`);
      return body;
    },
  };
}

/** Reads a response whole. */
export async function reply(response: Response): Promise<Reply> {
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson && text !== "" ? JSON.parse(text) : undefined,
  };
}
