import { isJsonObject } from "../json.ts";
import { readBounded, readChunks } from "./read-bounded.ts";
import { createEventReader, type ServerSentEvent } from "./server-sent-events.ts";
import type { ResolvedVerifierOptions } from "./verifier-options.ts";

/** The server sends a sign of life every 5 seconds: after this long without one, the connection is dead. */
const SILENCE_MS = 12_000;
/** The first sign of life, including the time to get the token, must arrive within this time. */
const CONNECT_MS = 5000;
const POLL_LIMIT = 1000;
const POLL_LIMIT_BYTES = 1024 * 1024;

/** One way to receive revocations: by a stream that stays open, or by polling. */
export interface FeedConnection {
  /** Resolves when the server ends the stream. @throws Error when it cannot be opened or breaks off. */
  stream(signal: AbortSignal): Promise<void>;
  /** Requests all entries. @throws Error when they cannot be fetched. */
  poll(signal: AbortSignal): Promise<void>;
}

/** The receiver of what the feed sends. */
export interface FeedListener {
  /** One entry, not yet checked. */
  learn(entry: unknown): void;
  /** Everything that has been revoked up to now has been received. */
  upToDate(by: "stream" | "poll"): void;
}

/** Continues where the last connection ended. */
export function createFeedConnection(
  options: Required<Pick<ResolvedVerifierOptions, "revocations" | "fetch">>,
  listener: FeedListener,
): FeedConnection {
  const { url, token } = options.revocations!;
  let lastId = "0";

  async function request(target: string, headers: Readonly<Record<string, string>>, signal: AbortSignal) {
    const bearer = await orAborted(Promise.resolve(token()), signal);
    const sent = { authorization: `Bearer ${bearer}`, ...headers };
    const response = await orAborted(options.fetch(target, { headers: sent, redirect: "error", signal }), signal);
    if (response.status === 200) return response;
    await response.body?.cancel();
    throw new Error(`The revocation feed answered with ${response.status}.`);
  }

  function take(event: ServerSentEvent): void {
    if ("comment" in event) listener.upToDate("stream");
    else if (event.type === "revocation") {
      listener.learn(JSON.parse(event.data));
      lastId = event.id ?? lastId;
    }
  }

  return {
    stream: (signal) =>
      whileAlive(signal, async (alive, signOfLife) => {
        const headers = { accept: "text/event-stream", "last-event-id": lastId };
        const response = await request(url, headers, alive);
        const type = response.headers.get("content-type") ?? "";
        if (!type.startsWith("text/event-stream") || response.body === null) {
          await response.body?.cancel();
          throw new Error("The revocation feed does not answer with an event stream.");
        }
        const [decoder, read] = [new TextDecoder(), createEventReader()];
        signOfLife();
        await readChunks(response, alive, (chunk) => {
          signOfLife();
          for (const event of read(decoder.decode(chunk, { stream: true }))) take(event);
        });
      }),

    poll: (signal) =>
      whileAlive(signal, async (alive, signOfLife) => {
        for (let isComplete = false; !isComplete; ) {
          const page = new URL(url);
          page.searchParams.set("after", lastId);
          page.searchParams.set("limit", String(POLL_LIMIT));
          const response = await request(page.href, { accept: "application/json" }, alive);
          const body: unknown = JSON.parse(await readBounded(response, POLL_LIMIT_BYTES, alive));
          if (!isJsonObject(body) || !Array.isArray(body.revocations) || !Number.isSafeInteger(body.next)) {
            throw new Error("The revocation feed does not answer as one.");
          }
          signOfLife();
          for (const entry of body.revocations) listener.learn(entry);
          lastId = String(body.next);
          isComplete = body.revocations.length < POLL_LIMIT;
        }
        listener.upToDate("poll");
      }),
  };
}

/** Runs `work`, and aborts it when the caller does or when there has been no sign of life for too long. */
async function whileAlive(
  signal: AbortSignal,
  work: (alive: AbortSignal, signOfLife: () => void) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  const giveUp = () => controller.abort(new Error("The revocation feed is silent."));
  let silence = setTimeout(giveUp, CONNECT_MS);
  const signOfLife = () => {
    clearTimeout(silence);
    silence = setTimeout(giveUp, SILENCE_MS);
  };
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    await work(controller.signal, signOfLife);
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", abort);
  }
}

/** Rejects as soon as the signal aborts, regardless of the promise. */
function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
