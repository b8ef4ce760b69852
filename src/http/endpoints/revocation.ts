import { LatchkeyError } from "../../errors.ts";
import { endpoint } from "../endpoint.ts";
import { entryBody, revocationStream } from "../revocation-stream.ts";
import * as schemas from "../schemas.ts";

const DEFAULT_LIMIT = 500;

/** What services that verify access tokens by themselves have to know. */
export const revocationEndpoints = [
  endpoint({
    method: "get",
    path: "/auth/revocations",
    access: "scope:revocations:read",
    tag: "Sessions",
    summary: "Which sessions have been revoked",
    description:
      "Lists revoked sessions in order, each for as long as one of its access tokens can be valid. " +
      "With `Accept: text/event-stream` the response is a stream of server-sent events: `id` is the number to continue from " +
      "(`Last-Event-ID`), `event` is `revocation`, `data` is one entry as below, and a comment marks that nothing is " +
      "outstanding. Otherwise the response is one page; send its `next` as `after` the next time.",
    query: schemas.revocationQuery,
    success: { status: 200, description: "The entries after `after`, oldest first.", schema: schemas.revocationList },
    errors: ["server_busy"],
    async handle({ issuer, respond, request, query, auth }) {
      const { revocationFeed } = issuer;
      if (!wantsEvents(request.headers)) {
        const { entries, next } = await revocationFeed.read(query.after ?? 0, query.limit ?? DEFAULT_LIMIT);
        return respond.json({ revocations: entries.map(entryBody), next });
      }
      if (request.method === "HEAD") return respond.eventStream(null);
      const follower = await revocationFeed.follow({
        after: lastEventId(request.headers) ?? query.after ?? 0,
        granted: auth,
        until: auth.exp * 1000,
      });
      return respond.eventStream(revocationStream(follower, request.signal));
    },
  }),
];

function wantsEvents(headers: Headers): boolean {
  const accepted = headers.get("accept")?.split(",") ?? [];
  return accepted.some((type) => type.split(";")[0]!.trim().toLowerCase() === "text/event-stream");
}

function lastEventId(headers: Headers): number | undefined {
  const id = headers.get("last-event-id");
  if (id === null || id === "") return undefined;
  const parsed = schemas.sequence.safeParse(id);
  if (parsed.success) return parsed.data;
  throw new LatchkeyError("invalid_request", { description: "Last-Event-ID is not a number of this feed." });
}
