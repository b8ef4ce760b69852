import { describe, expect, it } from "vitest";
import { createEventReader } from "../../src/verify/server-sent-events.ts";

const stream = [
  ": nothing is outstanding\n\n",
  'id: 7\nevent: revocation\ndata: {"session_id":"a"}\n\n',
  "event:other\r\ndata:x\r\ndata:  y\r\nretry: 5\r\nunknown\r\n\r\n",
  "event: empty\n\n",
  "id: 8\rdata: z\r\r",
  "data: never ended",
].join("");
const events = [
  { comment: "nothing is outstanding" },
  { type: "revocation", data: '{"session_id":"a"}', id: "7" },
  { type: "other", data: "x\n y", id: "7" },
  { type: "message", data: "z", id: "8" },
];

describe("server-sent events", () => {
  it("are read with any line ending, and with a default, a comment, several lines of data and what is not known", () => {
    expect(createEventReader()(stream)).toEqual(events);
  });

  it("are the same wherever the stream is cut into two pieces, or into single characters", () => {
    for (let at = 0; at <= stream.length; at++) {
      const read = createEventReader();
      expect([...read(stream.slice(0, at)), ...read(stream.slice(at))]).toEqual(events);
    }
    const read = createEventReader();
    expect([...stream].flatMap((character) => read(character))).toEqual(events);
  });

  it("are refused when one has no end, be it a line or a list of them", () => {
    const line = createEventReader();
    expect(() => {
      for (let nth = 0; nth < 100; nth++) line("x".repeat(1000));
    }).toThrow("does not end");
    const lines = createEventReader();
    expect(() => {
      for (let nth = 0; nth < 100; nth++) lines("data: x\n");
    }).toThrow("does not end");
  });
});
