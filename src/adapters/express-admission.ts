import type { IncomingMessage, ServerResponse } from "node:http";
import type { Guard, OptionalAdmission } from "../http/guard/guard.ts";
import { toAskingRequest } from "./node-message.ts";
import { bodyCredentials } from "./parsed-body.ts";
import { carryCookies, carryCookiesOf } from "./renewed-cookies.ts";

/** The parts of an Express request that Latchkey needs. */
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
  auth?: unknown;
}

/**
 * Asks the guard about an Express request, and puts the cookies of an implicit refresh where they belong.
 * @throws LatchkeyError the guard's refusal; and any other error.
 */
export function admitExpress<Admitted extends OptionalAdmission>(
  guard: Guard<Admitted>,
  request: ExpressRequest,
  response: ServerResponse,
  resource: unknown,
): Admitted | Promise<Admitted> {
  const asking = toAskingRequest(request, request.originalUrl, () => request);
  const sent = bodyCredentials(request.headers["content-type"], request);
  const atOnce = guard.admitAtOnce(asking, sent);
  if (atOnce !== undefined) return atOnce;
  return guard.admit(asking, { ip: request.ip, resource, ...sent }).then(
    (admission) => {
      carryCookies(request, response, admission, request);
      return admission;
    },
    (error: unknown) => {
      // Express's own error handler may send the response.
      carryCookiesOf(error, response);
      throw error;
    },
  );
}
