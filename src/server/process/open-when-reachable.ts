import { setTimeout as wait } from "node:timers/promises";
import { jittered, pauseAfter } from "../../backoff.ts";
import { systemEnvironment } from "../../environment.ts";
import { isLatchkeyError } from "../../errors.ts";
import { errorResponse } from "../../http/error-response.ts";
import type { Handler } from "../../http/handler.ts";
import { hstsHeader } from "../../http/hsts.ts";
import { createResponder } from "../../http/respond.ts";
import { randomId } from "../../random-id.ts";
import { type OpenedIssuer, type OpenIssuerOptions, openIssuer } from "../open-issuer.ts";
import { type Config, issuerUrl } from "../settings/config.ts";
import { oneLine } from "./failed-requests.ts";
import type { HttpServer } from "./http-server.ts";
import type { Logger } from "./logger.ts";

const BACKOFF = { firstMs: 250, longestMs: 10_000 };

/**
 * Opens the issuer. A PostgreSQL server that cannot be reached now is tried again for as long as it takes: it may be starting
 * too, or failing over. Until then `/livez` is good, since restarting this process would not help, and everything else gets
 * 503. What only the operator can put right is thrown at once.
 * @throws OperatorError, LatchkeyError
 */
export async function openWhenReachable(
  config: Config,
  server: HttpServer | undefined,
  logger: Logger,
  options: OpenIssuerOptions,
): Promise<OpenedIssuer> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await openIssuer(config, options);
    } catch (error) {
      const isTransient = isLatchkeyError(error) && error.code === "store_unavailable";
      if (!isTransient || config.server.database.kind === "sqlite") throw error;
      server?.serve(createUnreadyHandler(hstsHeader(issuerUrl(config), config.handler.hsts), error));
      const nextTryMs = Math.round(jittered(pauseAfter(failures, BACKOFF), systemEnvironment.random));
      logger.warn(
        { detail: oneLine(error.detail ?? error.description), nextTryMs },
        "the database cannot be reached; retrying",
      );
      await wait(nextTryMs);
    }
  }
}

/** Says of everything but liveness why it is not to be had yet. */
function createUnreadyHandler(hsts: string | undefined, error: unknown): Handler {
  return {
    async fetch({ url, method }) {
      const respond = createResponder(hsts, randomId(systemEnvironment.random, 12));
      const isLiveness = new URL(url).pathname === "/livez" && (method === "GET" || method === "HEAD");
      return isLiveness ? respond.json({ status: "ok" }) : errorResponse(respond, error);
    },
  };
}
