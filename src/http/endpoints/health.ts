import { LatchkeyError } from "../../errors.ts";
import type { Issuer } from "../../issuer.ts";
import { endpoint } from "../endpoint.ts";
import * as schemas from "../schemas.ts";

/** For the systems that start, stop and route to this process. */
export const healthEndpoints = [
  endpoint({
    method: "get",
    path: "/livez",
    access: "public",
    tag: "Operation",
    summary: "Whether the process runs",
    description: "Checks nothing else: an unreachable database is no reason to restart this process.",
    success: { status: 200, description: "It does.", schema: schemas.health },
    handle: ({ respond }) => respond.json({ status: "ok" }),
  }),
  endpoint({
    method: "get",
    path: "/readyz",
    access: "public",
    tag: "Operation",
    summary: "Whether requests should be sent here",
    description: "Answers 503 while the store cannot be written and while the server is stopping.",
    success: { status: 200, description: "The store answers and can be written.", schema: schemas.health },
    errors: ["store_unavailable", "server_busy"],
    async handle({ issuer, options, respond }) {
      if (options.isReady() === false) {
        throw new LatchkeyError("server_busy", {
          description: "The server is stopping. Wait for the time in Retry-After, then try again.",
          retryAfterSeconds: 5,
        });
      }
      await sharedCheck(issuer);
      return respond.json({ status: "ok" });
    },
  }),
];

/**
 * A check is a durable write, so there is one per second, shared by all callers. A failure is not cached: the next call
 * checks again.
 */
const KEPT_MS = 1000;
const checks = new WeakMap<Issuer, Promise<void>>();

function sharedCheck(issuer: Issuer): Promise<void> {
  const known = checks.get(issuer);
  if (known !== undefined) return known;
  const check = issuer.check();
  checks.set(issuer, check);
  const forget = () => checks.delete(issuer);
  check.then(() => setTimeout(forget, KEPT_MS).unref(), forget);
  return check;
}
