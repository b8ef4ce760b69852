import { expect, onTestFinished } from "vitest";
import { createHandler } from "../../src/index.ts";
import { listen } from "../../src/server/process/http-server.ts";
import { afterEveryTest } from "./after-each.ts";
import { exchange, type RawAnswer, requestText } from "./raw-socket.ts";
import { createTestBed, type TestBed } from "./test-bed.ts";

/** The whole server on a real socket. */
export interface World {
  readonly bed: TestBed;
  readonly port: number;
  /** The causes of answers in the 500s. */
  readonly errors: readonly unknown[];
  /** Method, path and status of everything that came as far as the handler. */
  readonly seen: readonly string[];
}

const worlds: World[] = [];

/** Starts one; it is stopped after the test. */
export async function setUp(): Promise<World> {
  const bed = await createTestBed();
  const errors: unknown[] = [];
  const seen: string[] = [];
  const server = await listen("127.0.0.1", 0, (error) => errors.push(error));
  server.serve(
    createHandler(bed.issuer, {
      onError: (error) => errors.push(error),
      onRequest: ({ method, path, status }) => seen.push(`${method} ${path} ${status}`),
    }),
  );
  onTestFinished(async () => {
    await server.stop(100);
  });
  const world = { bed, port: server.address.port, errors, seen };
  worlds.push(world);
  return world;
}

// Whatever a test has done to its server, it still answers, and nothing was an error of ours.
afterEveryTest(async () => {
  for (const { port, errors, seen } of worlds.splice(0)) {
    const [alive] = await exchange(port, requestText("GET /livez"));
    expect([alive?.status, alive?.body]).toEqual([200, '{"status":"ok"}']);
    expect(errors).toEqual([]);
    expect(seen.filter((entry) => entry.endsWith(" 500"))).toEqual([]);
  }
});

export const login = JSON.stringify({ username: "ada", password: "not her password" });
export const JSON_TYPE = { "Content-Type": "application/json" };
export const withLength = (body: string) => ({ ...JSON_TYPE, "Content-Length": String(Buffer.byteLength(body)) });
/** Expects the one error shape and the headers that go with it. */
export function expectError(
  answer: RawAnswer | undefined,
  status: number,
  label: string,
  error = "invalid_request",
): void {
  expect([label, answer?.status]).toEqual([label, status]);
  expect(answer!.headers.get("content-type")).toBe("application/json");
  expect(answer!.headers.get("cache-control")).toBe("no-store");
  expect(answer!.headers.get("x-content-type-options")).toBe("nosniff");
  expect(JSON.parse(answer!.body)).toEqual({ error, error_description: expect.any(String) });
}
