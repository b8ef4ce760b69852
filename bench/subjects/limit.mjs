// The limit of Node.js: the least program that answers what Latchkey answers, byte for byte in form and length. Reads JSON,
// makes two HMACs (one to check the refresh token, one to derive the next), signs an ES256 access token, writes JSON. It keeps
// nothing: it knows no session, no reuse and no revocation.
import { createHmac, generateKeyPairSync, randomBytes, sign, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { announce, writeTokens } from "./subject.mjs";

const secret = randomBytes(32);
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = /** @type {const} */ ({ key: privateKey, dsaEncoding: "ieee-p1363" });
const header = encode(JSON.stringify({ alg: "ES256", typ: "at+jwt", kid: randomBytes(32).toString("base64url") }));
const headers = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "x-frame-options": "DENY",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
  "content-type": "application/json",
};

writeTokens(() => tokenOf(randomBytes(16), 1));
announce(
  createServer((request, response) => {
    /** @type {Buffer[]} */
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const presented = JSON.parse(Buffer.concat(chunks).toString()).refresh_token;
      const bytes = Buffer.from(presented.slice(4), "base64url");
      if (!timingSafeEqual(mac(bytes.subarray(0, 25)), bytes.subarray(25))) {
        response.writeHead(401, headers).end();
        return;
      }
      const session = bytes.subarray(5, 21);
      const generation = bytes.readUInt32BE(21);
      signed(session.toString("base64url"), generation, (accessToken) => {
        const body = JSON.stringify({
          access_token: accessToken,
          token_type: "Bearer",
          expires_in: 900,
          refresh_token: tokenOf(session, generation + 1),
          refresh_expires_in: 1_209_600,
          session_id: session.toString("base64url"),
        });
        response
          .writeHead(200, { ...headers, "x-request-id": "a".repeat(16), "content-length": body.length })
          .end(body);
      });
    });
  }),
);

/**
 * @param {Buffer} session
 * @param {number} generation
 */
function tokenOf(session, generation) {
  const bytes = Buffer.alloc(57, 1);
  session.copy(bytes, 5);
  bytes.writeUInt32BE(generation, 21);
  mac(bytes.subarray(0, 25)).copy(bytes, 25);
  return `lkr_${bytes.toString("base64url")}`;
}

/** @param {Buffer} bytes */
function mac(bytes) {
  return createHmac("sha256", secret).update(bytes).digest();
}

/**
 * The two ways that Node.js has; `BENCH_SIGN=sync` takes the other one.
 * @param {string} session
 * @param {number} generation
 * @param {(token: string) => void} done
 */
function signed(session, generation, done) {
  const iat = Math.floor(Date.now() / 1000);
  const claims = {
    iss: "http://127.0.0.1:4000",
    sub: "00000000-0000-4000-8000-000000000000",
    aud: "http://127.0.0.1:4000",
    exp: iat + 900,
    iat,
    jti: `${session}.${generation}.${randomBytes(9).toString("base64url")}`,
    sid: session,
    client_id: "first-party",
    auth_time: iat,
    roles: [],
  };
  const input = `${header}.${encode(JSON.stringify(claims))}`;
  if (process.env.BENCH_SIGN === "sync") {
    done(`${input}.${sign("sha256", Buffer.from(input), key).toString("base64url")}`);
    return;
  }
  sign("sha256", Buffer.from(input), key, (error, signature) => {
    if (error !== null) throw error;
    done(`${input}.${signature.toString("base64url")}`);
  });
}

/** @param {string} text */
function encode(text) {
  return Buffer.from(text).toString("base64url");
}
