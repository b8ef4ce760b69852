import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRevocationFeed } from "../../src/revocations/feed.ts";
import { loadRevocations } from "../../src/revocations/known-revocations.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { livesOf } from "../support/lives-of.ts";
import { NOW, newId, newSession, vouched } from "../support/records.ts";

const REMEMBER_MS = 900_000;
const now = () => time;

let time: number;
let folder: string;
let open: Store[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-log-"));
  open = [];
  time = NOW;
});
afterEach(async () => {
  for (const store of open) await store.close();
  rmSync(folder, { recursive: true, force: true });
});

async function openStore(name: string): Promise<Store> {
  const store = await createSqliteStore(join(folder, name));
  open.push(store);
  return store;
}

/** Opens that many sessions and ends them. Gives their ids. */
async function revoke(store: Store, count: number, at = NOW): Promise<readonly string[]> {
  const sessions = Array.from({ length: count }, () => newSession());
  await store.createSessions(sessions.map((session) => vouched(session)));
  const ids = sessions.map(({ id }) => id);
  return store.revokeSessions(ids, { at, reason: "logout" });
}

/** A log that has been read to its end, and a copy of the database from before the last of its entries. */
async function goneBack({ before, lost }: { readonly before: number; readonly lost: number }) {
  const first = await openStore("first.db");
  const kept = await revoke(first, before);
  await first.close();
  copyFileSync(join(folder, "first.db"), join(folder, "copy.db"));
  let database = await openStore("first.db");
  const revocations = await loadRevocations(
    { listRevocations: (...request) => database.listRevocations(...request) },
    now,
    livesOf(REMEMBER_MS),
  );
  const forgotten = await revoke(database, lost);
  await revocations.poll();
  const copy = await openStore("copy.db");
  return {
    revocations,
    known: [...kept, ...forgotten],
    copy,
    switchOver() {
      database = copy;
    },
  };
}

type Heard = Awaited<ReturnType<typeof loadRevocations>>;
const unheard = (revocations: Heard, ids: readonly string[]) =>
  ids.filter((sid) => !revocations.covers({ sid, jti: `${sid}.1.x`, iat: 0 }));

describe("a log of revocations that has gone back, as after an asynchronous failover or a restored backup", () => {
  it("is read anew: what is revoked under numbers that had been read before is heard at the next look", async () => {
    const { revocations, copy, switchOver } = await goneBack({ before: 2, lost: 5 });
    switchOver();
    for (let round = 0; round < 3; round++) {
      const fresh = await revoke(copy, 1);
      await revocations.poll();
      expect(unheard(revocations, fresh)).toEqual([]);
    }
  });

  it("is read anew, too, where it had overtaken the old position before anybody looked", async () => {
    const { revocations, copy, switchOver } = await goneBack({ before: 2, lost: 5 });
    const fresh = await revoke(copy, 9);
    switchOver();
    await revocations.poll();
    expect(unheard(revocations, fresh)).toEqual([]);
  });

  it("is read anew over many pages, and where it is empty", async () => {
    const { revocations, copy, switchOver } = await goneBack({ before: 0, lost: 1001 });
    switchOver();
    await revocations.poll();
    const fresh = await revoke(copy, 2100);
    await revocations.poll();
    expect(unheard(revocations, fresh)).toEqual([]);
  });

  it("takes nothing back: what the database has forgotten is refused on, for as long as any other revocation", async () => {
    const { revocations, known, switchOver, copy } = await goneBack({ before: 2, lost: 5 });
    switchOver();
    await revoke(copy, 1);
    time += REMEMBER_MS;
    await revocations.poll();
    expect(unheard(revocations, known)).toEqual([]);
    time += 1;
    await revocations.poll();
    expect(unheard(revocations, known)).toEqual(known);
  });

  it("is told from its beginning to whoever follows the feed", async () => {
    const { revocations, copy, switchOver } = await goneBack({ before: 2, lost: 5 });
    const feed = createRevocationFeed(revocations, now);
    const follower = await feed.follow({
      after: revocations.log.newestSequence,
      granted: { jti: `${newId()}.1.x`, iat: 0 },
      until: NOW + 60_000,
    });
    await follower.next();
    switchOver();
    const fresh = await revoke(copy, 3);
    await revocations.poll();
    const { entries } = (await follower.next())!;
    expect(entries.map(({ sessionId }) => sessionId)).toEqual(expect.arrayContaining([...fresh]));
    follower.close();
  });

  it("is not what a swept log is taken for: what follows is heard, and followers are told nothing twice", async () => {
    const store = await openStore("swept.db");
    await revoke(store, 3);
    const revocations = await loadRevocations(store, now, livesOf(REMEMBER_MS));
    time += REMEMBER_MS + 1;
    await store.sweep({ endedBy: 0, revokedBy: NOW, limit: 100 });
    expect(await store.listRevocations(0, 0, 10)).toEqual([]);
    for (let round = 0; round < 2; round++) {
      const fresh = await revoke(store, 2, time);
      await revocations.poll();
      expect(unheard(revocations, fresh)).toEqual([]);
    }
    expect(revocations.log.beginnings).toBe(0);
  });
});
