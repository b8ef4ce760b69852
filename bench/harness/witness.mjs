import { setTimeout as wait } from "node:timers/promises";
import { createVerifier } from "../../dist/verify/verifier.js";
import { PASSWORD } from "../subjects/subject.mjs";

const EVERY_MS = 1000;
/** Access tokens are kept until they are about to expire. */
const MOST_TOKENS = 800;

/**
 * Somebody who stays signed in during a load: refreshes every second, and shows the newest access token and one of any age to a
 * verifier that has only the issuer's published keys, and the newest to the server itself.
 * @param {string} url the server's
 * @param {string} username
 */
export async function createWitness(url, username) {
  let pair = await post("/auth/login", { username, password: PASSWORD });
  const { iss, aud } = JSON.parse(Buffer.from(pair.access_token.split(".")[1], "base64url").toString());
  // Nothing is remembered, so that every token meets the keys of the moment.
  const verifier = createVerifier({ issuer: iss, audience: aud, algorithms: ["ES256"], verifiedCacheSize: 0 });
  /** @type {string[]} */
  const accessTokens = [];
  const counts = { refreshed: 0, verified: 0, refused: 0 };

  /** @param {string} path @param {object} body */
  async function post(path, body) {
    const headers = { "content-type": "application/json" };
    const response = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`the witness got ${response.status} at ${path}`);
    return response.json();
  }

  /** @param {Promise<unknown>} verification */
  async function count(verification) {
    try {
      await verification;
      counts.verified += 1;
    } catch {
      counts.refused += 1;
    }
  }

  async function look() {
    pair = await post("/auth/refresh", { refresh_token: pair.refresh_token });
    counts.refreshed += 1;
    accessTokens.push(pair.access_token);
    if (accessTokens.length > MOST_TOKENS) accessTokens.shift();
    const anyAge = String(accessTokens[Math.floor(Math.random() * accessTokens.length)]);
    await count(verifier.verify(pair.access_token));
    await count(verifier.verify(anyAge));
    const response = await fetch(`${url}/auth/me`, { headers: { authorization: `Bearer ${pair.access_token}` } });
    await response.arrayBuffer();
    await count(response.ok ? Promise.resolve() : Promise.reject());
  }

  return {
    counts: () => ({ ...counts }),
    /**
     * Looks every second until it is over.
     * @param {AbortSignal} over
     * @param {string[]} problems
     */
    async watch(over, problems) {
      while (!over.aborted) {
        try {
          await look();
        } catch (error) {
          problems.push(error instanceof Error ? error.message : String(error));
        }
        await wait(EVERY_MS, undefined, { signal: over }).catch(() => {});
      }
      verifier.close();
    },
  };
}
