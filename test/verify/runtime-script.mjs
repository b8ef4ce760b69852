// Run by every runtime: verifies what it is given with the built package, follows the feed, and ends by itself.
import { createVerifier } from "../../dist/verify/verifier.js";

/**
 * @typedef {{ alg: "ES256" | "EdDSA" | "RS256" | "PS256", issuer: string, url: string, good: string, feedToken: string,
 *   revoked: string, bound: string, dpop: { proof: string, method: string, url: string } }} Subject
 */

/** @type {readonly Subject[]} */
const subjects = JSON.parse(process.argv.at(-1) ?? "[]");

/** @param {Promise<unknown>} verification */
async function outcome(verification) {
  try {
    await verification;
    return "good";
  } catch (error) {
    return /** @type {{ code?: string }} */ (error).code ?? String(error);
  }
}

for (const { alg, issuer, url, good, feedToken, revoked, bound, dpop } of subjects) {
  const verifier = createVerifier({
    issuer,
    audience: issuer,
    algorithms: [alg],
    jwksUri: `${url}/.well-known/jwks.json`,
    revocations: { token: feedToken, url: `${url}/auth/revocations` },
  });
  await verifier.ready();
  const last = good.at(-30) === "A" ? "B" : "A";
  const forged = good.slice(0, -30) + last + good.slice(-29);
  /** @type {Record<string, string | undefined>} */
  const results = {
    good: await outcome(verifier.verify(good)),
    forged: await outcome(verifier.verify(forged)),
    garbage: await outcome(verifier.verify("null")),
    unproved: await outcome(verifier.verify(bound)),
    bound: await outcome(verifier.verify(bound, { dpop })),
    replayed: await outcome(verifier.verify(bound, { dpop })),
    before: await outcome(verifier.verify(revoked)),
    feed: verifier.feedStatus()?.state,
  };
  console.log(JSON.stringify({ alg, waiting: true }));
  const startedAt = Date.now();
  while ((await outcome(verifier.verify(revoked))) !== "session_revoked" && Date.now() - startedAt < 10_000) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  results.after = await outcome(verifier.verify(revoked));
  verifier.close();
  console.log(JSON.stringify({ alg, results }));
}
