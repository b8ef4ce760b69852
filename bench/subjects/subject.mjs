import { writeFileSync } from "node:fs";

/** How many sessions there are; the load goes round through all of them. */
export const SESSIONS = Number(process.env.BENCH_SESSIONS ?? 2048);

/** Everybody's password. */
export const PASSWORD = "correct horse battery staple";

/**
 * Writes a refresh token for each session to where the load generator looks for them.
 * @param {(nth: number) => string} tokenOf
 */
export function writeTokens(tokenOf) {
  const tokens = Array.from({ length: SESSIONS }, (_, nth) => tokenOf(nth));
  writeFileSync(String(process.env.BENCH_TOKENS), JSON.stringify(tokens));
}

/**
 * Listens on a free port of the loopback interface and says on which.
 * @param {import("node:net").Server} server
 */
export function announce(server) {
  server.listen(0, "127.0.0.1", () => {
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    process.stdout.write(`${JSON.stringify({ address: `http://127.0.0.1:${port}` })}\n`);
  });
}
