import type { IncomingMessage, ServerResponse } from "node:http";
import type { Guard, OptionalAdmission } from "../http/guard.ts";
import { toRequest } from "./node-message.ts";
import { bodyCredentials } from "./parsed-body.ts";
import { carryCookies } from "./renewed-cookies.ts";

/** What Latchkey needs of an Express request. */
export interface ExpressRequest extends IncomingMessage {
  readonly protocol: string;
  readonly host: string | undefined;
  readonly path: string;
  readonly originalUrl: string;
  readonly ip?: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: as Express itself has it.
  readonly body?: any;
  // biome-ignore lint/suspicious/noExplicitAny: as Express itself has it.
  readonly cookies?: any;
}

/**
 * Asks the guard about a request of Express, and puts the cookies of an implicit refresh where they belong.
 * @throws LatchkeyError the guard's refusal; and whatever else failed.
 */
export async function admitExpress<Let extends OptionalAdmission>(
  guard: Guard<Let>,
  request: ExpressRequest,
  response: ServerResponse,
  resource: unknown,
): Promise<Let> {
  const { protocol, host, originalUrl: url, ip, headers, body, cookies } = request;
  const known = { ip, resource, ...bodyCredentials(headers["content-type"], body) };
  const admission = await guard.admit(toRequest(request, { protocol, host, url }), known);
  carryCookies(request, response, admission, cookies);
  return admission;
}
