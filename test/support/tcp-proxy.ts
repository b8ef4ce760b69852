import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/**
 * What becomes of a part of an answer: it goes on, at once or after a while; the connection is cut before it, or inside it.
 */
export type Verdict = "pass" | "cut" | "cut inside" | { readonly delayMs: number };

/** A hop on the way to a server, in which what happens on real networks can be made to happen. */
export interface TcpProxy {
  readonly port: number;
  /** How often a client has spoken after the server had answered: what it waited for. */
  roundTrips(): number;
  /** Cuts the next connection over which the server sends this text, before it gets to the client. */
  cutBefore(text: string): void;
  /** Whether that has happened. */
  hasCut(): boolean;
  /** Asks of every part of an answer what is to become of it, until told otherwise. */
  judge(verdict: ((answer: Buffer) => Verdict) | undefined): void;
  /** Swallows what either side says, and leaves connections open, new ones too; what was swallowed never arrives. */
  blackHole(isOn: boolean): void;
  /** Cuts every connection; the next ones lead to this port, or nowhere. */
  switchTo(port: number | undefined): void;
  close(): Promise<void>;
}

export async function startProxy(firstTarget: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let target: number | undefined = firstTarget;
  let roundTrips = 0;
  let unwanted: string | undefined;
  let verdict: (answer: Buffer) => Verdict = () => "pass";
  let isBlackHole = false;

  function deliver(answer: Buffer, client: Socket, delays: { readyAt: number }): void {
    const judged = verdict(answer);
    if (judged === "cut") return void client.destroy();
    if (judged === "cut inside") return void client.end(answer.subarray(0, answer.length >> 1), () => client.destroy());
    const now = performance.now();
    delays.readyAt = Math.max(delays.readyAt, now + (judged === "pass" ? 0 : judged.delayMs));
    if (delays.readyAt <= now) client.write(answer);
    else setTimeout(() => client.writable && client.write(answer), delays.readyAt - now);
  }

  const proxy = createServer((client) => {
    if (target === undefined) {
      client.destroy();
      return;
    }
    const server = connect(target, "127.0.0.1");
    const delays = { readyAt: 0 };
    let isAnswered = true;
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.on("data", (chunk) => {
      if (isAnswered) roundTrips += 1;
      isAnswered = false;
      if (!isBlackHole) server.write(chunk);
    });
    server.on("data", (chunk) => {
      isAnswered = true;
      if (unwanted !== undefined && chunk.includes(unwanted)) {
        unwanted = undefined;
        client.destroy();
        return;
      }
      if (!isBlackHole) deliver(chunk, client, delays);
    });
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    port: (proxy.address() as AddressInfo).port,
    roundTrips: () => roundTrips,
    cutBefore(text) {
      unwanted = text;
    },
    hasCut: () => unwanted === undefined,
    judge(given) {
      verdict = given ?? (() => "pass");
    },
    blackHole(isOn) {
      isBlackHole = isOn;
    },
    switchTo(port) {
      target = port;
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, "close");
    },
  };
}
