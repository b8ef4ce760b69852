import { expect } from "vitest";
import type { HandlerOptions } from "../../src/index.ts";
import { CANARY, contentTypeOf, nameOf, type RouteWithBody, routesWithBody, sendRaw } from "../support/route-table.ts";
import { createTestBed, PASSWORD, type Reply, type TestBed } from "../support/test-bed.ts";

/** A test bed that sends bodies with an administrator behind them. */
export interface Bed extends TestBed {
  /** An administrator's access token, where the route takes one. */
  credentials(route: RouteWithBody): Record<string, string>;
  /** Sends a body with the route's content type and {@link credentials}, both of which the headers may override. */
  send(route: RouteWithBody, body: Parameters<typeof sendRaw>[2], headers?: Record<string, string>): Promise<Reply>;
  /** Expects a refusal of the one shape, which repeats nothing that was sent and has changed nothing. Gives its description. */
  refused(answer: Reply, status: keyof typeof codes, route: RouteWithBody, sent?: string): string;
}

const codes = { 400: "invalid_request", 413: "payload_too_large", 415: "unsupported_media_type" } as const;

/** Opens one; its events and its store are watched from here on. */
export async function setUp(handlerOptions: HandlerOptions = {}): Promise<Bed> {
  const bed = await createTestBed({ registration: "open" }, handlerOptions);
  const admin = await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: ["admin"] });
  const { accessToken } = await bed.issuer.issue({ subject: admin.id });
  const [transactions, events] = [bed.store.statistics.transactions, bed.events.length];

  function credentials({ access }: RouteWithBody): Record<string, string> {
    return access === "access_token" || access === "admin" ? { authorization: `Bearer ${accessToken}` } : {};
  }

  return {
    ...bed,
    credentials,
    send: (route, body, headers = {}) =>
      sendRaw(bed, route, body, { "content-type": contentTypeOf(route), ...credentials(route), ...headers }),
    refused(answer, status, route, sent = "") {
      const label = `${nameOf(route)} ${sent}`;
      const { error, error_description: description } = answer.body ?? {};
      expect([label, answer.status, Object.keys(answer.body ?? {})]).toEqual([
        label,
        status,
        ["error", "error_description"],
      ]);
      if (route.errorStyle === "oauth") {
        expect([label, error, description]).toEqual([
          label,
          "invalid_request",
          expect.stringMatching(`^${status === 400 ? "" : `${codes[status]}: `}[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]+$`),
        ]);
      } else {
        expect([label, error, description]).toEqual([label, codes[status], expect.any(String)]);
      }
      expect([label, (answer.text + JSON.stringify([...answer.headers])).includes(CANARY)]).toEqual([label, false]);
      expect([label, bed.store.statistics.transactions, bed.events.length]).toEqual([label, transactions, events]);
      return description;
    },
  };
}

/** Checks every route of the table that takes a body, on one bed. */
export async function onEveryRoute(check: (bed: Bed, route: RouteWithBody) => Promise<void>): Promise<void> {
  const bed = await setUp();
  expect(routesWithBody.length).toBeGreaterThan(6);
  for (const route of routesWithBody) await check(bed, route);
}
