import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { systemEnvironment } from "../../src/environment.ts";
import type { Handler, IssuerOptions } from "../../src/index.ts";
import { listen } from "../../src/server/process/http-server.ts";
import { createVerifier, isLatchkeyError, type Verifier, type VerifierOptions } from "../../src/verify/verifier.ts";
import { afterEveryTest } from "./after-each.ts";
import {
  createTestBed,
  createTestClock,
  ISSUER,
  type TestBed,
  type TestBedOptions,
  type TestClock,
} from "./test-bed.ts";

const SCOPE = "revocations:read";

const cleanUps: (() => unknown)[] = [];
afterEveryTest(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Runs `cleanUp` after the test. */
export function afterwards(cleanUp: () => unknown): void {
  cleanUps.push(cleanUp);
}

/** A handler on a real socket, and every request that has come in. */
export interface Served {
  readonly url: string;
  readonly port: number;
  readonly requests: { readonly path: string; readonly headers: Headers }[];
  /** Answers the paths that it names instead of the handler, until it is given none. */
  instead(answer: ((path: string, headers: Headers) => Response | Promise<Response> | undefined) | undefined): void;
  stop(): Promise<void>;
}

/** Serves a handler on a free port of the loopback interface, or on `port`. */
export async function serve(handler: Handler, port = 0): Promise<Served> {
  const requests: Served["requests"] = [];
  let instead: Parameters<Served["instead"]>[0];
  const server = await listen("127.0.0.1", port, (error) => {
    throw error;
  });
  server.serve({
    async fetch(request, info) {
      const { pathname } = new URL(request.url);
      requests.push({ path: pathname, headers: new Headers(request.headers) });
      return (await instead?.(pathname, request.headers)) ?? handler.fetch(request, info);
    },
  });
  const stop = async () => void (await server.stop(0));
  afterwards(stop);
  return {
    url: `http://127.0.0.1:${server.address.port}`,
    port: server.address.port,
    requests,
    instead(answer) {
      instead = answer;
    },
    stop,
  };
}

/** A Latchkey on a real socket, in whose database anybody may have a session. */
export interface ServedBed extends TestBed {
  readonly served: Served;
  /** An access token for `subject`. */
  token(subject?: string): Promise<string>;
  /** A verifier of another service, on the same clock unless told otherwise. Closed after the test. */
  verifier(given?: Partial<VerifierOptions>): Verifier;
  /** The same, following the revocation feed. */
  follower(given?: Partial<VerifierOptions["revocations"]>, options?: Partial<VerifierOptions>): Verifier;
}

export async function serveBed(options: TestBedOptions = {}, clock: TestClock = createTestClock()): Promise<ServedBed> {
  const subjects: IssuerOptions["subjects"] = async (ids) => new Map(ids.map((id) => [id, { roles: [] }]));
  const bed = await createTestBed({ subjects, ...options }, {}, clock);
  const served = await serve(bed.handler);
  const feedToken = async () => (await bed.issuer.issue({ subject: "billing", scope: SCOPE })).accessToken;

  function verifier(given: Partial<VerifierOptions> = {}): Verifier {
    const made = createVerifier({
      issuer: ISSUER,
      audience: ISSUER,
      algorithms: ["ES256", "EdDSA", "RS256", "PS256"],
      jwksUri: `${served.url}/.well-known/jwks.json`,
      environment: { ...systemEnvironment, clock: bed.clock },
      ...given,
    });
    afterwards(() => made.close());
    return made;
  }

  return {
    ...bed,
    served,
    token: async (subject = "ada") => (await bed.issuer.issue({ subject })).accessToken,
    verifier,
    follower: (given = {}, rest = {}) =>
      verifier({
        revocations: { token: feedToken, url: `${served.url}/auth/revocations`, ...given },
        ...rest,
      }),
  };
}

/** The code that an access token is refused with, or `good`. */
export async function outcome(verification: Promise<unknown>): Promise<string> {
  try {
    await verification;
    return "good";
  } catch (error) {
    if (isLatchkeyError(error)) return error.code;
    throw error;
  }
}

/** A cable that can be cut: connections go through to `port` until then, and again when it is mended. */
export async function createCable(port: number) {
  const open = new Set<Socket>();
  let isCut = false;
  const server = createServer((inside) => {
    if (isCut) {
      inside.destroy();
      return;
    }
    const outside = connect(port, "127.0.0.1");
    for (const socket of [inside, outside]) {
      open.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => {
        open.delete(socket);
        inside.destroy();
        outside.destroy();
      });
    }
    inside.pipe(outside).pipe(inside);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    isCut = true;
    for (const socket of open) socket.destroy();
  };
  afterwards(() => {
    cut();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    mend() {
      isCut = false;
    },
  };
}
