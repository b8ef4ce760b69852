// Verifies access tokens in one process, in rounds, and prints operations a second as JSON. All verify the same ES256 tokens and
// check issuer, audience and times.
import { createPublicKey } from "node:crypto";
import { createVerifier as createFastJwt } from "fast-jwt";
import { jwtVerify } from "jose";
import jsonwebtoken from "jsonwebtoken";
import { createHandler, createIssuer } from "../dist/index.js";
import { createSqliteStore } from "../dist/store/sqlite/sqlite.js";
import { createVerifier } from "../dist/verify/verifier.js";
import { inRounds, spread } from "./harness/rounds.mjs";

const [rounds = 5, milliseconds = 300] = process.argv.slice(2).map(Number);
const origin = "http://127.0.0.1:4000";
const TOKENS = 64;

const store = await createSqliteStore(":memory:");
const issuer = await createIssuer({
  issuer: origin,
  secret: "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM",
  store,
  subjects: async (ids) => new Map(ids.map((id) => [id, { roles: [] }])),
});
const pairs = await Promise.all(Array.from({ length: TOKENS }, (_, nth) => issuer.issue({ subject: `user-${nth}` })));
const tokens = pairs.map(({ accessToken }) => accessToken);
const handler = createHandler(issuer);
const verifierOptions = /** @type {const} */ ({
  issuer: origin,
  audience: origin,
  algorithms: ["ES256"],
  fetch: (/** @type {string} */ url, /** @type {RequestInit} */ init) => handler.fetch(new Request(url, init)),
});
const remembering = createVerifier(verifierOptions);
const forgetful = createVerifier({ ...verifierOptions, verifiedCacheSize: 0 });
await Promise.all([remembering.ready(), forgetful.ready()]);

const jwk = /** @type {import("jose").JWK} */ (issuer.keys.jwks().keys[0]);
const key = createPublicKey({ key: /** @type {import("node:crypto").JsonWebKey} */ (jwk), format: "jwk" });
const pem = key.export({ format: "pem", type: "spki" });
/** @type {import("fast-jwt").Algorithm[]} */
const algorithms = ["ES256"];
const fastJwtOptions = {
  key: pem,
  algorithms,
  allowedIss: origin,
  allowedAud: origin,
};
const fastJwt = createFastJwt({ ...fastJwtOptions, cache: false });
const fastJwtRemembering = createFastJwt({ ...fastJwtOptions, cache: true });

/**
 * @typedef {{ readonly name: string, readonly seen: boolean, readonly verify: (token: string) => unknown }} Subject `seen` where the
 *   token's signature need not be checked again
 */
/** @type {readonly Subject[]} */
const subjects = [
  { name: "Latchkey", seen: true, verify: remembering.verify },
  { name: "Latchkey, in the issuer's process", seen: true, verify: issuer.verify },
  { name: "fast-jwt with its cache", seen: true, verify: fastJwtRemembering },
  { name: "Latchkey, nothing remembered", seen: false, verify: forgetful.verify },
  {
    name: "jose",
    seen: false,
    verify: (token) =>
      jwtVerify(token, key, { issuer: origin, audience: origin, algorithms: ["ES256"], typ: "at+jwt" }),
  },
  { name: "fast-jwt", seen: false, verify: fastJwt },
  {
    name: "jsonwebtoken",
    seen: false,
    verify: (token) => jsonwebtoken.verify(token, key, { issuer: origin, audience: origin, algorithms: ["ES256"] }),
  },
];

/**
 * Verifies one token after the other, each when the one before is done, and gives how many a second.
 * @param {Subject} subject
 * @param {number} forMs
 */
async function read({ verify }, forMs) {
  const started = performance.now();
  let done = 0;
  let elapsed = 0;
  while (elapsed < forMs) {
    for (const token of tokens) {
      const result = verify(token);
      // What answers at once is not made to wait.
      if (result instanceof Promise) await result;
    }
    done += TOKENS;
    elapsed = performance.now() - started;
  }
  return (done / elapsed) * 1000;
}

await inRounds(subjects, 1, (subject) => read(subject, milliseconds));
const results = await inRounds(subjects, rounds, (subject) => read(subject, milliseconds));
const printed = subjects.map((subject) => {
  const { readings, problem } = /** @type {{ readings: number[], problem?: string }} */ (results.get(subject));
  const { name, seen } = subject;
  return problem === undefined
    ? { name, seen, perSecond: spread(readings), notRun: null }
    : { name, seen, perSecond: null, notRun: problem };
});
process.stdout.write(`${JSON.stringify(printed)}\n`);
remembering.close();
forgetful.close();
await issuer.close();
