import { createHandler } from "../http/handler.ts";
import { hstsHeader } from "../http/hsts.ts";
import { banner } from "./banner.ts";
import type { OpenedIssuer } from "./open-issuer.ts";
import { followOperators } from "./operator.ts";
import { logFailedRequest } from "./process/failed-requests.ts";
import { type HttpServer, listen } from "./process/http-server.ts";
import { type Logger, logEvents } from "./process/logger.ts";
import { openWhenReachable } from "./process/open-when-reachable.ts";
import { type Config, issuerUrl, urlHost } from "./settings/config.ts";

/** How long the requests in flight have when the server stops. */
export const STOP_DEADLINE_MS = 10_000;

/** A server that listens and is ready. */
export interface RunningServer {
  readonly address: { readonly host: string; readonly port: number };
  readonly issuer: string;
  /** The store, as it describes itself. */
  readonly database: string;
  /** The token of a link that makes the first administrator; `undefined` where there is one. */
  readonly setupToken: string | undefined;
  /**
   * Becomes unready, accepts nothing new, waits for what is in flight and closes the store.
   * Resolves to the number of requests that the deadline cut off.
   */
  stop(deadlineMs?: number): Promise<number>;
}

/** What there is to tell of a server that serves. */
export type ServerFacts = Pick<RunningServer, "address" | "issuer" | "database" | "setupToken">;

/** What `startServer` takes beside the configuration. */
export interface StartOptions {
  /** Whether it listens before it is ready; otherwise another process that listens on the port gets all requests until then. Default: true. */
  readonly listensFirst?: boolean;
}

/**
 * Starts the server. It listens first, so that a port already in use is reported before anything is created or changed;
 * requests get 503 until it is ready, which with PostgreSQL may take until that can be reached.
 * @throws OperatorError, LatchkeyError saying why it cannot start; then nothing is left running.
 */
export async function startServer(
  config: Config,
  logger: Logger,
  { listensFirst = true }: StartOptions = {},
): Promise<RunningServer> {
  const { host, port } = config.server;
  const hsts = hstsHeader(issuerUrl(config), config.handler.hsts);
  const listenNow = () => listen(host, port, (error) => logger.error({ err: error }, "the handler failed"), hsts);
  const early = listensFirst ? await listenNow() : undefined;
  try {
    const options = { port: early?.address.port ?? port, onEvent: logEvents(logger) };
    const opened = await openWhenReachable(config, early, logger, options);
    return await serveIssuer(config, opened, logger, async () => early ?? listenNow());
  } catch (error) {
    await early?.stop(0);
    throw error;
  }
}

async function serveIssuer(
  config: Config,
  { issuer, store }: OpenedIssuer,
  logger: Logger,
  listening: () => Promise<HttpServer>,
): Promise<RunningServer> {
  try {
    let isReady = true;
    const handler = createHandler(issuer, {
      ...config.handler,
      isReady: () => isReady,
      onRequest: logger.isLevelEnabled("debug") ? (entry) => logger.debug(entry, "answered") : undefined,
      onError: (error, requestId) => logFailedRequest(logger, error, requestId),
      onIgnoredProxy: (peer) =>
        logger.warn(
          { peer },
          "a proxy sends X-Forwarded-For, which is ignored, so all clients behind it count as one address: set LATCHKEY_TRUSTED_PROXIES",
        ),
    });
    const setupToken = await issuer.users.inviteFirstAdmin();
    const server = await listening();
    const stopFollowing = followOperators(store, logEvents(logger));
    server.serve(handler);
    return {
      address: server.address,
      issuer: issuer.options.issuer,
      database: store.description,
      setupToken,
      async stop(deadlineMs = STOP_DEADLINE_MS) {
        isReady = false;
        issuer.revocationFeed.close();
        const cutOff = await server.stop(deadlineMs);
        await stopFollowing();
        await issuer.close();
        return cutOff;
      },
    };
  } catch (error) {
    await issuer.close();
    throw error;
  }
}

/** Tells that the server is ready: a banner to a person, one log line to a machine. */
export function announce(
  facts: ServerFacts,
  logger: Logger,
  terminal: ((text: string) => void) | undefined,
  workers = 1,
): void {
  const { address, issuer, database, setupToken } = facts;
  if (terminal !== undefined) {
    terminal(banner({ address, issuer, database, setupToken, workers }));
    return;
  }
  const several = workers > 1 ? { workers } : {};
  logger.info(
    { address: `http://${urlHost(address.host)}:${address.port}`, issuer, database, ...several },
    "listening",
  );
  if (setupToken !== undefined) {
    logger.warn("no administrator exists yet: run 'latchkey user add NAME --role admin'");
  }
}
