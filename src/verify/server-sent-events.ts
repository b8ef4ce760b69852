/** The longest line that is accepted, in characters. */
const LINE_LIMIT = 16 * 1024;
const MOST_DATA_LINES = 16;

/** An event, or a comment. */
export type ServerSentEvent =
  | { readonly comment: string }
  | { readonly type: string; readonly data: string; readonly id: string | undefined };

/**
 * Accepts a stream of text in pieces and returns the events that each piece completes (the HTML standard,
 * section 9.2.6), comments included, since they are signs of life.
 * @throws Error for an event without an end.
 */
export function createEventReader(): (piece: string) => ServerSentEvent[] {
  let rest = "";
  let type = "message";
  let data: string[] = [];
  let id: string | undefined;

  function take(line: string): ServerSentEvent | undefined {
    if (line.startsWith(":")) return { comment: line.slice(1).trimStart() };
    if (line === "") {
      const event = data.length === 0 ? undefined : { type, data: data.join("\n"), id };
      type = "message";
      data = [];
      return event;
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") type = value;
    if (field === "data") data.push(value);
    if (field === "id") id = value;
    return undefined;
  }

  return (piece) => {
    const lines = (rest + piece).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop()!;
    const events = lines.flatMap((line) => take(line) ?? []);
    if (rest.length > LINE_LIMIT || data.length > MOST_DATA_LINES)
      throw new Error("The feed sent an event that does not end.");
    return events;
  };
}
