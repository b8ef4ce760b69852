// The generator's ceiling: answers every request with the same bytes, without looking at them.
import { createServer } from "node:net";
import { announce, writeTokens } from "./subject.mjs";

const body = JSON.stringify({ access_token: "a".repeat(600), refresh_token: "r".repeat(80), expires_in: 900 });
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
);
writeTokens(() => "r".repeat(80));
announce(
  createServer({ noDelay: true }, (socket) => {
    socket.on("data", () => socket.write(answer));
    socket.on("error", () => socket.destroy());
  }),
);
