import { once } from "node:events";
import { createServer } from "node:net";

// Below the ports from which systems choose by themselves, be it for a server that asks for any or for a connection going out: one
// of those can be taken again at once by somebody else, before the server listens or while it restarts.
const LOWEST = 12_000;
const PORTS_OF_EACH = 100;
const PROCESSES = 200;

// Processes that run at the same time have numbers of their own, and so, nearly always, ports of their own.
const first = LOWEST + (process.pid % PROCESSES) * PORTS_OF_EACH;
let given = 0;

/** A port of the loopback interface on which nothing listens now, and that nobody is given by the system. */
export async function freePort() {
  for (let tries = 0; tries < PORTS_OF_EACH; tries++) {
    const port = first + (given++ % PORTS_OF_EACH);
    if (await isFree(port)) return port;
  }
  throw new Error(`No port from ${first} to ${first + PORTS_OF_EACH - 1} is free on 127.0.0.1.`);
}

/** @param {number} port */
async function isFree(port) {
  const probe = createServer();
  try {
    probe.listen(port, "127.0.0.1");
    await once(probe, "listening");
  } catch {
    return false;
  }
  probe.close();
  await once(probe, "close");
  return true;
}
