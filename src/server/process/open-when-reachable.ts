import { randomBytes, randomInt } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { isLatchkeyError } from "../../errors.ts";
import { errorResponse } from "../../http/error-response.ts";
import type { Handler } from "../../http/handler.ts";
import { hstsHeader } from "../../http/hsts.ts";
import { createResponder } from "../../http/respond.ts";
import { type OpenedIssuer, type OpenIssuerOptions, openIssuer } from "../open-issuer.ts";
import { type Config, issuerUrl } from "../settings/config.ts";
import { oneLine } from "./failed-requests.ts";
import type { HttpServer } from "./http-server.ts";
import type { Logger } from "./logger.ts";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

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
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await openIssuer(config, options);
    } catch (error) {
      const isTransient = isLatchkeyError(error) && error.code === "store_unavailable";
      if (!isTransient || config.server.database.kind === "sqlite") throw error;
      server?.serve(createUnreadyHandler(hstsHeader(issuerUrl(config), config.handler.hsts), error));
      const nextTryMs = randomInt(pauseMs / 2, pauseMs);
      logger.warn(
        { detail: oneLine(error.detail ?? error.description), nextTryMs },
        "the database cannot be reached; trying again",
      );
      await wait(nextTryMs);
    }
  }
}

/** Says of everything but liveness why it is not to be had yet. */
function createUnreadyHandler(hsts: string | undefined, error: unknown): Handler {
  return {
    async fetch({ url, method }) {
      const respond = createResponder(hsts, randomBytes(12).toString("base64url"));
      const isLiveness = new URL(url).pathname === "/livez" && (method === "GET" || method === "HEAD");
      return isLiveness ? respond.json({ status: "ok" }) : errorResponse(respond, error);
    },
  };
}
