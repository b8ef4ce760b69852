import { expect, it } from "vitest";
import { NOW, newSigningKey } from "../support/records.ts";
import type { OpenStore } from "./place.ts";

export function describeSigningKeys(open: OpenStore): void {
  it("starts with an empty ring at version 0", async () => {
    expect(await (await open()).readSigningKeys()).toEqual({ version: 0, keys: [] });
  });

  it("gives the ring back in the order and with the bytes it was stored, also after closing and opening again", async () => {
    const store = await open();
    const keys = [
      newSigningKey({
        state: "next",
        activatedAt: null,
        sealedPrivateKey: Uint8Array.from({ length: 256 }, (_, byte) => byte),
      }),
      newSigningKey({ alg: "HS256", publicJwk: null, sealedPrivateKey: new Uint8Array(0) }),
      newSigningKey({ state: "retired", retiredAt: NOW + 2, publicJwk: '{"x":"é😀"}' }),
    ];
    expect(await store.replaceSigningKeys(0, keys)).toBe(true);
    expect(await store.readSigningKeys()).toStrictEqual({ version: 1, keys });
    await store.close();
    expect(await (await open()).readSigningKeys()).toStrictEqual({ version: 1, keys });
  });

  it("replaces the whole ring, so that a key left out is gone", async () => {
    const store = await open();
    const [first, second, third] = [newSigningKey(), newSigningKey(), newSigningKey()];
    await store.replaceSigningKeys(0, [first, second]);
    expect(await store.replaceSigningKeys(1, [third, first])).toBe(true);
    expect(await store.readSigningKeys()).toStrictEqual({ version: 2, keys: [third, first] });
    expect(await store.replaceSigningKeys(2, [])).toBe(true);
    expect(await store.readSigningKeys()).toEqual({ version: 3, keys: [] });
  });

  it("replaces nothing when the ring is at another version", async () => {
    const store = await open();
    const keys = [newSigningKey()];
    await store.replaceSigningKeys(0, keys);
    for (const version of [0, 2, -1]) expect(await store.replaceSigningKeys(version, [newSigningKey()])).toBe(false);
    expect(await store.readSigningKeys()).toStrictEqual({ version: 1, keys });
  });

  it("keeps the old ring whole when the new one cannot be stored", async () => {
    const store = await open();
    const keys = [newSigningKey()];
    await store.replaceSigningKeys(0, keys);
    const twice = newSigningKey();
    await expect(store.replaceSigningKeys(1, [twice, twice])).rejects.toThrow();
    expect(await store.readSigningKeys()).toStrictEqual({ version: 1, keys });
  });

  it("lets one of twenty callers that race over two connections replace the ring", async () => {
    const stores = [await open(), await open()] as const;
    const rings = Array.from({ length: 20 }, () => [newSigningKey()]);
    const results = await Promise.all(
      rings.map((keys, index) => stores[index % 2 === 0 ? 0 : 1].replaceSigningKeys(0, keys)),
    );
    expect(results.filter((replaced) => replaced)).toHaveLength(1);
    expect(await stores[1].readSigningKeys()).toStrictEqual({ version: 1, keys: rings[results.indexOf(true)] });
  });
}
