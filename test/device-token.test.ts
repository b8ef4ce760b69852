import { describe, expect, it } from "vitest";
import { systemEnvironment } from "../src/environment.ts";
import { createDeviceToken, recognisedDevice } from "../src/secrets/device-token.ts";
import { deriveRootKeys } from "../src/secrets/root-secret.ts";
import { SECRET } from "./support/test-bed.ts";

const NEW_SECRET = "Zt4nVb8xQm2cLr6wPk0sHd3fJy7gUa5eTi9oXq1zBvN";
const keys = deriveRootKeys(SECRET);
const now = Date.UTC(2026, 10, 21, 12);
const DAYS = 86_400_000;
const { random } = systemEnvironment;

const credentialsVersion = 7;
const tokenOf = (account: string) => createDeviceToken(keys.current, { account, credentialsVersion, random, now });

describe("a device token", () => {
  it("is 64 characters that no cookie needs to quote, holds no name, and is another one each time", () => {
    const [one, other] = [tokenOf("ada"), tokenOf("ada")];
    expect(one).toMatch(/^[A-Za-z0-9_-]{64}$/);
    expect(one).not.toBe(other);
    expect(Buffer.from(one, "base64url").toString("latin1")).not.toContain("ada");
  });

  it("stands for one device of one account, for 400 days to the second", () => {
    const token = tokenOf("ada");
    const device = recognisedDevice(keys, "ada", token, now);
    expect(device).toEqual({ id: expect.stringMatching(/^[A-Za-z0-9_-]{16}$/), credentialsVersion });
    expect(recognisedDevice(keys, "ada", token, now + 400 * DAYS - 1000)).toEqual(device);
    expect(recognisedDevice(keys, "ada", token, now + 400 * DAYS)).toBeNull();
    expect(recognisedDevice(keys, "ada", tokenOf("ada"), now)?.id).not.toBe(device?.id);
    for (const account of ["grace", "ad", "adaa", "Ada", ""]) {
      expect(recognisedDevice(keys, account, token, now)).toBeNull();
    }
  });

  it("is refused with any bit changed, cut, padded, of another key or no token at all", () => {
    const token = tokenOf("ada");
    const bytes = Buffer.from(token, "base64url");
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(recognisedDevice(keys, "ada", changed.toString("base64url"), now)).toBeNull();
    }
    const foreign = createDeviceToken(deriveRootKeys(NEW_SECRET).current, {
      account: "ada",
      credentialsVersion,
      random,
      now,
    });
    const others = ["", "x", token.slice(1), `${token}A`, `${token}=`, ` ${token}`, token.slice(0, 63), foreign];
    for (const other of [null, ...others]) expect(recognisedDevice(keys, "ada", other, now)).toBeNull();
  });

  it("outlives a change of the root secret with the previous one given, and no second change", () => {
    const token = tokenOf("ada");
    expect(recognisedDevice(deriveRootKeys(NEW_SECRET, SECRET), "ada", token, now)).not.toBeNull();
    expect(recognisedDevice(deriveRootKeys(NEW_SECRET), "ada", token, now)).toBeNull();
  });
});
