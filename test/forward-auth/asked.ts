import { expect } from "vitest";
import type { World } from "./world.ts";

const HANDSHAKE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-version": "13",
};

/** Paths that an application may take for `/admin`, and a proxy for another. */
const AMBIGUOUS = [
  "/admin;x",
  "/admin;x/users",
  "/admin%3bx",
  "/admin%3Bx/users",
  "/orders/..;/admin",
  "/orders/%2e%2e;/admin",
  "/orders\\..\\admin",
  "/orders%5c..%5Cadmin",
  "/admin/../orders",
  "/admin/%2e%2e/orders",
  "/admin/.%2E/orders",
  "/orders/./admin",
  "/orders/..",
];

/** Names that differ from those of the identity by underscores alone. */
export const UNDERSCORED = ["Subject", "Roles", "Session", "Client", "Scope"].flatMap((name) => [
  `X_Auth_${name}`,
  `X_Auth-${name}`,
  `X-Auth_${name}`,
]);

/** With cookies, a handshake passes only from the issuer's origin, and reaches the application with its identity. */
export async function expectOriginsOfHandshakesChecked({ askRaw, cookies, bearer, proxy }: World): Promise<void> {
  const jar = await cookies("ada");
  const shake = async (headers: Readonly<Record<string, string>>) => {
    const { status, seen } = await askRaw("/live/feed", { headers: { ...HANDSHAKE, ...headers } });
    return [status, seen?.headers.upgrade, seen?.headers["x-auth-client"]];
  };
  const passed = [101, "websocket", "first-party"];
  expect(await shake({ ...jar.header(), origin: proxy.url })).toEqual(passed);
  for (const origin of ["https://evil.example", "null", `${proxy.url}0`]) {
    expect([origin, await shake({ ...jar.header(), origin })]).toEqual([origin, [403, undefined, undefined]]);
  }
  expect(await shake({ ...(await bearer("ada")), origin: "https://evil.example" })).toEqual(passed);
  expect(await shake({ origin: proxy.url })).toEqual([401, undefined, undefined]);
}

/** Nobody reaches the application by a path that it could read as another one, and a query may hold anything. */
export async function expectAmbiguousPathsRefused({ askRaw, bearer }: World): Promise<void> {
  for (const username of ["ada", "root"]) {
    const headers = await bearer(username);
    for (const path of AMBIGUOUS) {
      const { status, seen } = await askRaw(path, { headers });
      expect([username, path, status, seen]).toEqual([username, path, 400, undefined]);
    }
    const { status } = await askRaw("/orders.v1/.hidden/a..b?next=/../admin;x%3b", { headers });
    expect([username, status]).toEqual([username, 200]);
  }
}

const PREFLIGHT = { origin: "https://app.example.com", "access-control-request-method": "DELETE" };

/** A preflight is refused like any request without a token. */
export async function expectPreflightsRefused({ askRaw }: World): Promise<void> {
  const { status, seen } = await askRaw("/orders", { method: "OPTIONS", headers: PREFLIGHT });
  expect([status, seen]).toEqual([401, undefined]);
}

/** Preflights alone reach the application, and with no identity. */
export async function expectOnlyPreflightsPassed({ askRaw }: World): Promise<void> {
  const forged = Object.fromEntries(["subject", "roles", "session"].map((name) => [`x-auth-${name}`, "root"]));
  const { status, seen } = await askRaw("/orders", { method: "OPTIONS", headers: { ...PREFLIGHT, ...forged } });
  expect([status, seen?.method, Object.keys(seen?.headers ?? {}).filter((name) => /^x[-_]auth/.test(name))]).toEqual([
    200,
    "OPTIONS",
    [],
  ]);
  const { origin, ...rest } = PREFLIGHT;
  for (const [method, headers] of [
    ["OPTIONS", {}],
    ["OPTIONS", { origin }],
    ["OPTIONS", rest],
    ["GET", PREFLIGHT],
    ["POST", PREFLIGHT],
    ["DELETE", PREFLIGHT],
  ] as const) {
    const refused = await askRaw("/orders", { method, headers: headers as Record<string, string> });
    expect([method, headers, refused.status, refused.seen]).toEqual([method, headers, 401, undefined]);
  }
}
