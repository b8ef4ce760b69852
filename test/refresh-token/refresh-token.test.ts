import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { deriveRefreshToken, parseRefreshToken } from "../../src/secrets/refresh-token.ts";
import { deriveRootKeys, hmacSha256 } from "../../src/secrets/root-secret.ts";
import { report, seed, times } from "../support/long-run.ts";
import { newPath } from "../support/places.ts";
import { pick, seededRandom } from "../support/seeded-random.ts";
import { dumpDatabase } from "../support/store-dump.ts";
import { createTestBed, PASSWORD, SECRET, type TestBed } from "../support/test-bed.ts";
import { mutateRefreshToken, TOKEN_BYTES, withBytes } from "./mutations.ts";

const mutationCount = times({ short: 50_000, long: 1_000_000 });

const keys = deriveRootKeys(SECRET).current;
const otherKeys = deriveRootKeys(`${SECRET}x`).current;

/** A signed-in user on a database file, with two more sessions of theirs beside the one that is attacked. */
async function setUp() {
  const path = newPath();
  const bed = await createTestBed({ path });
  const { id: subject } = await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: ["admin"] });
  const [attacked, other] = [await bed.issuer.issue({ subject }), await bed.issuer.issue({ subject })];
  const session = (await bed.store.findSession(attacked.sessionId))!;
  const otherSession = (await bed.store.findSession(other.sessionId))!;
  let addresses = 0;
  return {
    bed,
    path,
    subject,
    session,
    otherSession,
    token: attacked.refreshToken,
    otherToken: other.refreshToken,
    /** Each request comes from an address of its own, so that none is refused for its number. */
    nextAddress: () => `10.${(addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses++ & 255}`,
  };
}

describe("SECURITY 67: a refresh token that was altered", () => {
  it("is 401 invalid_refresh_token by every way in, and leaves every row and the count of writes as they were", async () => {
    const { bed, path, session, otherSession, token, otherToken, nextAddress } = await setUp();
    const body = token.slice("lkr_".length);
    const text = { ...session, salt: new Uint8Array(16) };
    const altered: Record<string, string> = {
      "cut by one character": token.slice(0, -1),
      "cut by four": token.slice(0, -4),
      "cut in half": token.slice(0, 40),
      "cut at the front": token.slice(1),
      "only its prefix": "lkr_",
      "without its prefix": body,
      "extended by one character": `${token}A`,
      "extended by three bytes": `${token}AAAA`,
      "extended by itself": token + token,
      "extended by its body": token + body,
      "with its prefix twice": `lkr_${token}`,
      "padded with =": `${token}=`,
      "padded with ==": `${token}==`,
      "in the alphabet of base64": `lkr_${Buffer.from(body, "base64url").toString("base64").replace(/^./, "+")}`,
      "with / for _": `lkr_${body.replace(/[_A]/, "/")}`,
      "in hexadecimal": `lkr_${Buffer.from(body, "base64url").toString("hex")}`,
      "in base64 of itself": Buffer.from(token).toString("base64url"),
      "percent-encoded": token.replace("_", "%5F"),
      "with a space before": ` ${token}`,
      "with a space behind": `${token} `,
      "with a line feed behind": `${token}\n`,
      "with a line feed inside": `${token.slice(0, 40)}\n${token.slice(40)}`,
      "with a tab inside": `${token.slice(0, 40)}\t${token.slice(40)}`,
      "with a NUL behind": `${token}\0`,
      "with an invisible character": `${token.slice(0, 40)}\u200b${token.slice(40)}`,
      "with a letter that looks the same": token.replace("k", "к"),
      "in full-width letters": token.replace(/[A-Za-z]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0)),
      "in quotes": `"${token}"`,
      "twice, with a comma": `${token},${token}`,
      "with its prefix in capitals": `LKR_${body}`,
      "in capitals": `lkr_${body.toUpperCase()}`,
      "in small letters": `lkr_${body.toLowerCase()}`,
      "with one letter in the other case": `lkr_${body.replace(/[A-Za-z]/, (c) => (c < "a" ? c.toLowerCase() : c.toUpperCase()))}`,
      "of another version": withBytes(token, (bytes) => bytes.writeUInt8(2, 0)),
      "of another version, with a MAC that is right": withBytes(token, (bytes) => {
        bytes.writeUInt8(2, 0);
        bytes.set(hmacSha256(keys.refreshKey, "latchkey refresh token\0", bytes.subarray(0, 25), session.salt), 25);
      }),
      "of version 0": withBytes(token, (bytes) => bytes.writeUInt8(0, 0)),
      "of another key id": withBytes(token, (bytes) => bytes.set(otherKeys.keyId, 1)),
      "of another session id": withBytes(token, (bytes) => bytes.write(otherSession.id, 5, "base64url")),
      "of an unknown session id": withBytes(token, (bytes) => bytes.fill(7, 5, 21)),
      "of the generation before": withBytes(token, (bytes) => bytes.writeUInt32BE(0, 21)),
      "of the generation after": withBytes(token, (bytes) => bytes.writeUInt32BE(2, 21)),
      "of the last generation": withBytes(token, (bytes) => bytes.writeUInt32BE(0xffffffff, 21)),
      "with a MAC of zeros": withBytes(token, (bytes) => bytes.fill(0, 25)),
      "with the MAC of another session": withBytes(token, (bytes) =>
        bytes.set(Buffer.from(otherToken.slice(4), "base64url").subarray(25), 25),
      ),
      "made with another secret": deriveRefreshToken(otherKeys, session, 1),
      "made with another secret, under this one's key id": deriveRefreshToken(
        { ...otherKeys, keyId: keys.keyId },
        session,
        1,
      ),
      "made with the secret, but without the session's salt": deriveRefreshToken(keys, text, 1),
      "made with the secret and another session's salt": deriveRefreshToken(
        keys,
        { ...session, salt: otherSession.salt },
        1,
      ),
      "of a session that does not exist": deriveRefreshToken(keys, { id: "A".repeat(22), salt: session.salt }, 1),
    };
    const before = [dumpDatabase(path), bed.store.statistics.sessionWrites, bed.events.length];
    for (const [how, presented] of Object.entries(altered)) {
      expect([how, presented === token]).toEqual([how, false]);
      const asBearer = /^[\x20-\x7e]+$/.test(presented) ? presented.trim() : undefined;
      for (const answer of [
        await bed.call("POST", "/auth/refresh", { json: { refresh_token: presented }, ip: nextAddress() }),
        ...(asBearer === undefined || asBearer === token
          ? []
          : [await bed.call("POST", "/auth/refresh", { bearer: asBearer, ip: nextAddress() })]),
      ]) {
        expect([how, answer.status, answer.body.error]).toEqual([how, 401, "invalid_refresh_token"]);
        expect(answer.text).not.toContain(presented.slice(0, 20));
        expect(answer.headers.get("www-authenticate")).toContain('error="invalid_token"');
      }
      const form = { grant_type: "refresh_token", refresh_token: presented };
      const byForm = await bed.call("POST", "/token", { form, ip: nextAddress() });
      expect([how, byForm.status, byForm.body.error]).toEqual([how, 400, "invalid_grant"]);
      expect(byForm.body.error_description).toMatch(/^invalid_refresh_token: /);
      const logout = await bed.call("POST", "/auth/logout", { json: { refresh_token: presented } });
      expect([how, logout.status]).toEqual([how, 204]);
      expect([how, await bed.store.findSession(session.id)]).toEqual([how, session]);
    }
    expect([dumpDatabase(path), bed.store.statistics.sessionWrites, bed.events.length]).toEqual(before);
    expect((await bed.issuer.refresh(token)).sessionId).toBe(session.id);
  });

  it("is refused with any single bit changed, and any single character", async () => {
    const { bed, path, token, nextAddress } = await setUp();
    const altered = new Set<string>();
    for (let bit = 0; bit < TOKEN_BYTES * 8; bit++) {
      altered.add(withBytes(token, (bytes) => bytes.writeUInt8(bytes[bit >> 3]! ^ (1 << (bit & 7)), bit >> 3)));
    }
    for (let at = 0; at < token.length; at++) {
      for (const character of "AQgw_-+/=0z \n") altered.add(token.slice(0, at) + character + token.slice(at + 1));
    }
    altered.delete(token);
    expect(altered.size).toBeGreaterThan(1200);
    const before = dumpDatabase(path);
    expect(new Set(await outcomes(bed, [...altered], nextAddress))).toEqual(new Set(["invalid_refresh_token"]));
    expect(dumpDatabase(path)).toEqual(before);
  });

  it(
    `is never accepted, in ${mutationCount} mutations of live, used and foreign tokens (seed ${seed})`,
    async () => {
      const began = performance.now();
      const { bed, path, token, otherToken, session, nextAddress } = await setUp();
      const successor = await bed.issuer.refresh(token);
      const good = [token, successor.refreshToken, otherToken, deriveRefreshToken(otherKeys, session, 2)];
      const below = seededRandom(seed);
      expect(isAuthentic(token, session.salt)).toBe(true);
      const before = [dumpDatabase(path), bed.store.statistics.sessionWrites];
      let [made, authentic] = [0, 0];
      while (made < mutationCount) {
        const batch = Array.from({ length: 500 }, () =>
          mutateRefreshToken(pick(below, good), pick(below, good), below),
        );
        const bad = batch.filter((text) => !good.includes(text));
        authentic += bad.filter((text) => isAuthentic(text, session.salt)).length;
        made += bad.length;
        const codes = await outcomes(bed, bad, nextAddress);
        expect(codes.findIndex((code) => code !== "invalid_refresh_token")).toBe(-1);
      }
      expect(authentic).toBe(0);
      expect([dumpDatabase(path), bed.store.statistics.sessionWrites]).toEqual(before);
      expect((await bed.issuer.refresh(successor.refreshToken)).sessionId).toBe(session.id);
      report({
        run: "mutated refresh tokens",
        count: made,
        seed,
        seconds: (performance.now() - began) / 1000,
        found: { accepted: 0 },
      });
    },
    Math.max(60_000, mutationCount),
  );
});

describe("SECURITY 52: a stolen database", () => {
  it("holds nothing that works as a token, as it stands or put together, nor any token or password that was ever sent", async () => {
    const { bed, path, subject, session, token, nextAddress } = await setUp();
    const sent = [await bed.login("ada")];
    for (let round = 0; round < 3; round++) {
      bed.clock.advanceSeconds(60);
      sent.push((await bed.call("POST", "/auth/refresh", { bearer: sent.at(-1)!.refresh_token })).body);
    }
    bed.clock.advanceSeconds(60);
    sent.push((await bed.call("POST", "/auth/refresh", { bearer: sent.at(-2)!.refresh_token })).body);
    const json = { password: PASSWORD };
    sent.push((await bed.call("POST", "/auth/reauthenticate", { bearer: sent.at(-1)!.access_token, json })).body);
    const live = (await bed.issuer.issue({ subject })).sessionId;

    const files = Buffer.concat([readFileSync(path), readFileSync(`${path}-wal`)]);
    const secrets = sent.flatMap((pair) => [pair.access_token, pair.refresh_token]).concat(token, PASSWORD, SECRET);
    for (const secret of secrets) {
      const bytes = Buffer.from(secret.replace(/^lkr_/, ""), "base64url");
      for (const form of [secret, secret.slice(-32), bytes.subarray(-32), bytes.subarray(-32).toString("hex")]) {
        expect(files.includes(form)).toBe(false);
      }
    }
    for (const shape of ["lkr_", "eyJ"]) expect(files.includes(shape)).toBe(false);

    const values = Object.values(dumpDatabase(path)).flatMap((rows) => rows.flatMap((row) => Object.values(row)));
    const texts = [...new Set(values.filter((value) => typeof value === "string"))];
    expect(texts.length).toBeGreaterThan(20);
    const candidates = tokensMadeOf(texts, [session.id, live]);
    const codes = await outcomes(bed, [...candidates], nextAddress);
    expect(new Set(codes)).toEqual(new Set(["invalid_refresh_token"]));
    for (const candidate of candidates) {
      await expect(bed.issuer.verify(candidate)).rejects.toMatchObject({ status: 401 });
    }
  });
});

describe("SECURITY 118: a change of the root secret", () => {
  it("logs nobody out while the previous one is given, and everybody afterwards who has not refreshed since", async () => {
    const path = newPath();
    const newSecret = "9yBx2QmT7vKc4JrWzH8eLp0dNs5uGfA1iXoVtRq6Ek3";
    const before = await createTestBed({ path });
    const { id: subject } = await before.issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
    const [refreshed, idle] = [await before.issuer.issue({ subject }), await before.issuer.issue({ subject })];

    const during = await createTestBed({ path, secret: newSecret, previousSecret: SECRET }, {}, before.clock);
    const next = await during.issuer.refresh(refreshed.refreshToken);
    expect(parseRefreshToken(next.refreshToken, deriveRootKeys(newSecret))).toBeDefined();
    expect(parseRefreshToken(next.refreshToken, deriveRootKeys(SECRET))).toBeUndefined();
    // A racing twin with the old spelling gets the same successor.
    expect((await during.issuer.refresh(refreshed.refreshToken)).refreshToken).toBe(next.refreshToken);

    const after = await createTestBed({ path, secret: newSecret }, {}, before.clock);
    expect((await after.issuer.refresh(next.refreshToken)).sessionId).toBe(refreshed.sessionId);
    await expect(after.issuer.refresh(idle.refreshToken)).rejects.toMatchObject({ code: "invalid_refresh_token" });
  });
});

/** Every text as a token, and every text as the MAC of a token for one of the sessions: nothing else in a token is secret. */
function tokensMadeOf(texts: readonly string[], sessionIds: readonly string[]): ReadonlySet<string> {
  const frames = sessionIds.flatMap((id) =>
    [1, 2].map((generation) => deriveRefreshToken(keys, { id, salt: new Uint8Array(16) }, generation)),
  );
  const tokens = new Set(texts.flatMap((text) => [text, `lkr_${text}`]));
  for (const text of texts) {
    for (const encoding of ["hex", "base64url", "utf8"] as const) {
      const bytes = Buffer.from(text, encoding);
      tokens.add(bytes.toString("base64url")).add(`lkr_${bytes.toString("base64url")}`);
      for (const frame of frames) {
        tokens.add(withBytes(frame, (token) => token.fill(0, 25).set(bytes.subarray(0, 32), 25)));
      }
    }
  }
  return tokens;
}

/** What becomes of each token when all are refreshed at once: an error code, or `accepted`. */
function outcomes(bed: TestBed, tokens: readonly string[], nextAddress: () => string): Promise<readonly string[]> {
  return Promise.all(
    tokens.map((token) =>
      bed.issuer.refresh(token, { ip: nextAddress() }).then(
        () => "accepted",
        (error) => error.code ?? String(error),
      ),
    ),
  );
}

function isAuthentic(text: string, salt: Uint8Array): boolean {
  return parseRefreshToken(text, deriveRootKeys(SECRET))?.isAuthentic(salt) ?? false;
}
