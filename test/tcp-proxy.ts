import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A hop on the way to a server, in which what happens on real networks can be made to happen. */
export interface TcpProxy {
  readonly port: number;
  /** How often a client has spoken after the server had answered: what it waited for. */
  roundTrips(): number;
  /** Cuts the next connection over which the server sends this text, before it gets to the client. */
  cutBefore(text: string): void;
  /** Whether that has happened. */
  hasCut(): boolean;
  close(): Promise<void>;
}

export async function startProxy(target: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let roundTrips = 0;
  let unwanted: string | undefined;
  const proxy = createServer((client) => {
    const server = connect(target, "127.0.0.1");
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
      server.write(chunk);
    });
    server.on("data", (chunk) => {
      isAnswered = true;
      if (unwanted !== undefined && chunk.includes(unwanted)) {
        unwanted = undefined;
        client.destroy();
        return;
      }
      client.write(chunk);
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
    async close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, "close");
    },
  };
}
