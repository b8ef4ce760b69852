import type { FeedEntry, FeedFollower, FeedPage } from "../revocations/feed.ts";

/** An entry as it is sent. */
export function entryBody({ sessionId, revokedAt, expiresAt }: FeedEntry) {
  return {
    session_id: sessionId,
    revoked_at: new Date(revokedAt).toISOString(),
    expires_at: new Date(expiresAt).toISOString(),
  };
}

/**
 * Writes what a follower receives as server-sent events (the HTML standard, section 9.2). The feed is read only as fast
 * as the other side reads. A comment is sent whenever nothing is outstanding.
 */
export function revocationStream(follower: FeedFollower, signal: AbortSignal): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  signal.addEventListener("abort", follower.close, { once: true });
  if (signal.aborted) follower.close();
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const page = await follower.next();
        if (page === undefined) controller.close();
        else controller.enqueue(encoder.encode(eventsOf(page)));
      },
      cancel: () => follower.close(),
    },
    { highWaterMark: 0 },
  );
}

function eventsOf({ entries, isComplete }: FeedPage): string {
  const events = entries.map(
    (entry) => `id: ${entry.sequence}\nevent: revocation\ndata: ${JSON.stringify(entryBody(entry))}\n\n`,
  );
  return events.join("") + (isComplete ? ": nothing is outstanding\n\n" : "");
}
