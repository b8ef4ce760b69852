import { join } from "node:path";
import { CookieJar } from "../support/cookie-jar.ts";
import { createTestBed, createTestClock, PASSWORD } from "../support/test-bed.ts";
import type { World } from "./world.ts";

/** The cookies of somebody who signed in an hour ago, on the running server's own database: the access token has expired. */
export async function expiredCookies({ folder, proxy }: World, username: string): Promise<CookieJar> {
  const anHourAgo = createTestClock(Date.now() - 3_600_000);
  const bed = await createTestBed({ path: join(folder, "latchkey.db"), issuer: proxy.url }, {}, anHourAgo);
  const { headers } = await bed.call("POST", "/auth/login", {
    json: { username, password: PASSWORD, transport: "cookie" },
  });
  return new CookieJar().take(headers);
}
