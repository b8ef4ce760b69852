// A worker that does as its arguments and the requests say: node:cluster for real, with nothing of the server in it.
import { existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";

const [behaviour = "serves", marker = ""] = process.argv.slice(2);
if (behaviour === "fails") process.exit(3);
// The first start of all succeeds, and no later one does.
if (behaviour === "fails-later" && existsSync(marker)) process.exit(1);
if (behaviour === "fails-later") writeFileSync(marker, "");

const server = createServer((request, response) => {
  if (request.url === "/die") process.exit(7);
  if (request.url === "/hang") return response.flushHeaders();
  response.setHeader("connection", "close");
  response.end(String(process.pid));
});
process.on("message", ({ type }) => {
  if (type === "stop") server.close(() => process.exit(0));
});
server.listen(0, "127.0.0.1", () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  process.send?.({ type: "ready", facts: { address: { host: "127.0.0.1", port }, issuer: "", database: "" } });
});
