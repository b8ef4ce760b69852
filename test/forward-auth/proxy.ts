import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { openWorld, type World } from "./world.ts";

/** How a proxy is run in the foreground, once its configuration stands in the world's folder. */
export interface ProxyCommand {
  readonly program: string;
  readonly args: readonly string[];
}

/** Opens a world behind a proxy. Closing it ends the proxy first. */
export async function openWorldBehind(configure: (world: World) => ProxyCommand): Promise<World> {
  const world = await openWorld();
  try {
    const proxy = await startProxy(configure(world), world);
    return {
      ...world,
      async close() {
        await proxy.stop();
        await world.close();
      },
    };
  } catch (error) {
    await world.close();
    throw error;
  }
}

async function startProxy({ program, args }: ProxyCommand, { folder, proxy: { port } }: World) {
  const proxy = spawn(program, args, {
    env: { PATH: process.env.PATH, HOME: folder },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let written = "";
  proxy.stderr.on("data", (chunk) => {
    written += String(chunk);
  });
  const exited = once(proxy, "exit");
  const hasEnded = () => proxy.exitCode !== null || proxy.signalCode !== null;
  async function stop(): Promise<void> {
    if (!hasEnded()) proxy.kill("SIGTERM");
    await exited;
  }
  if (await isListening(port, hasEnded)) return { stop };
  await stop();
  throw new Error(`${program} does not listen:\n${written}`);
}

async function isListening(port: number, hasEnded: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 200 && !hasEnded(); tries += 1) {
    const socket = createConnection(port, "127.0.0.1");
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

/** The configuration files of docs/forward-auth.md by name: each is a block whose first line is a comment with the name. */
export function documentedFiles(): ReadonlyMap<string, string> {
  const page = readFileSync(new URL("../../docs/forward-auth.md", import.meta.url), "utf8");
  const blocks = page.matchAll(/^```\w+\n# (\S+)\n(.*?)^```$/gms);
  return new Map([...blocks].map(([, name, text]) => [name!, text!]));
}

/** Puts what holds in the test in the place of what is documented, which must be there. */
export function replaced(text: string, documented: string, actual: string): string {
  if (!text.includes(documented)) throw new Error(`docs/forward-auth.md no longer says '${documented}'.`);
  return text.replaceAll(documented, actual);
}
