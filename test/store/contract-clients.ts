import { expect, it } from "vitest";
import type { Store } from "../../src/store/store.ts";
import {
  awkwardTexts,
  NOW,
  newClient,
  newId,
  newSession,
  newUser,
  proved,
  unstorableTexts,
  vouched,
} from "../support/records.ts";
import type { OpenStore } from "./place.ts";

async function createClients(store: Store, count: number) {
  const clients = Array.from({ length: count }, () => newClient());
  for (const client of clients) await store.createClient(client);
  return clients;
}

export function describeClients(open: OpenStore): void {
  it("gives a client back as it was stored, also after closing and opening again", async () => {
    const store = await open();
    const clients = [
      newClient(),
      newClient({ kind: "public", secretHash: null, grantTypes: ["password", "refresh_token"], scope: "" }),
      newClient({ updatedAt: NOW + 1, disabledAt: NOW + 2, grantTypes: [] }),
    ];
    for (const client of clients) await store.createClient(client);
    await store.close();
    const reopened = await open();
    for (const client of clients) expect(await reopened.findClient(client.id)).toStrictEqual(client);
    expect(await reopened.findClient("lkc_unknown")).toBeNull();
  });

  it.each(Object.entries(awkwardTexts))("keeps %s in every text field", async (_, text) => {
    const store = await open();
    const client = newClient({ id: text, name: text, scope: text });
    await store.createClient(client);
    expect(await store.findClient(text)).toStrictEqual(client);
  });

  it.each(Object.entries(unstorableTexts))(
    "refuses %s with a TypeError, and finds no client by it",
    async (_, text) => {
      const store = await open();
      await store.createClient(newClient({ id: "admin" }));
      await store.createClient(newClient({ id: "admin\ufffd" }));
      await expect(store.createClient(newClient({ name: text }))).rejects.toThrow(TypeError);
      expect(await store.findClient(text)).toBeNull();
      expect(await store.disableClient(text, NOW)).toBeNull();
      expect(await store.enableClient(text, newId(), NOW)).toBe(false);
    },
  );

  it("creates no second client with the same id, and leaves the first as it was", async () => {
    const store = await open();
    const [client] = await createClients(store, 1);
    await expect(store.createClient(newClient({ id: client!.id }))).rejects.toThrow();
    expect(await store.findClient(client!.id)).toStrictEqual(client);
  });

  it("lists clients in the order in which they were created, in pages", async () => {
    const store = await open();
    expect(await store.listClients("", 10)).toEqual([]);
    const clients = await createClients(store, 5);
    expect(await store.listClients("", 10)).toStrictEqual(clients);
    expect(await store.listClients(clients[1]!.id, 2)).toStrictEqual(clients.slice(2, 4));
    expect(await store.listClients(clients[4]!.id, 10)).toEqual([]);
  });

  it("disables a client and revokes its sessions and access tokens in one act, and keeps the first time when repeated", async () => {
    const store = await open();
    const [client, other] = await createClients(store, 2);
    const mine = [newSession({ clientId: client!.id }), newSession({ clientId: client!.id })];
    const others = [newSession({ clientId: other!.id }), newSession({ clientId: "first-party" })];
    const past = newSession({ clientId: client!.id, revokedAt: NOW, revokedFor: "logout" });
    await store.createSessions([...mine, ...others, past].map((session) => vouched(session)));

    const disabled = { ...client!, updatedAt: NOW + 1, disabledAt: NOW + 1 };
    expect(await store.disableClient(client!.id, NOW + 1)).toStrictEqual({
      client: disabled,
      revoked: mine.map(({ id, subject }) => ({ id, subject })),
    });
    expect(await store.findClient(client!.id)).toStrictEqual(disabled);
    for (const { id } of mine) {
      expect(await store.findSession(id)).toMatchObject({ revokedAt: NOW + 1, revokedFor: "client_disabled" });
    }
    for (const session of [...others, past]) expect(await store.findSession(session.id)).toStrictEqual(session);
    const log = (await store.listRevocations(0, 0, 10)).map(({ sessionId, at }) => ({ sessionId, at }));
    expect(new Set(log)).toEqual(
      new Set([client!.grantId, ...mine.map(({ id }) => id)].map((sessionId) => ({ sessionId, at: NOW + 1 }))),
    );

    expect(await store.disableClient(client!.id, NOW + 2)).toStrictEqual({ client: disabled, revoked: [] });
    expect(await store.findClient(client!.id)).toStrictEqual(disabled);
    expect(await store.listRevocations(0, 0, 10)).toHaveLength(3);
    expect(await store.disableClient("lkc_unknown", NOW)).toBeNull();
  });

  it("opens no session for a disabled client, whoever vouches for it", async () => {
    const store = await open();
    const [client] = await createClients(store, 1);
    const user = newUser();
    await store.createUser(user);
    await store.disableClient(client!.id, NOW);
    const session = newSession({ subject: user.id, clientId: client!.id });
    expect(await store.createSessions([proved(session, user), vouched(session)])).toEqual([
      { created: false },
      { created: false },
    ]);
    expect(await store.findSession(session.id)).toBeNull();
  });

  it("never leaves a live session to a client that is disabled while one is opened on another connection", async () => {
    const [one, two] = [await open(), await open()];
    for (let round = 0; round < 10; round++) {
      const [client] = await createClients(one, 1);
      const sessions = [newSession({ clientId: client!.id }), newSession({ clientId: client!.id })];
      await Promise.all([
        two.createSessions([vouched(sessions[0]!)]),
        one.disableClient(client!.id, NOW),
        two.createSessions([vouched(sessions[1]!)]),
      ]);
      const live = await one.listLiveSessions(NOW, 100);
      expect(live.filter(({ clientId }) => clientId === client!.id)).toEqual([]);
    }
  });

  it("lets a disabled client in again under a new grant id, while its sessions and the old grant id stay revoked", async () => {
    const store = await open();
    const [client] = await createClients(store, 1);
    const session = newSession({ clientId: client!.id });
    await store.createSessions([vouched(session)]);
    await store.disableClient(client!.id, NOW + 1);
    const grantId = newId();
    expect(await store.enableClient(client!.id, grantId, NOW + 2)).toBe(true);
    expect(await store.findClient(client!.id)).toStrictEqual({ ...client, grantId, updatedAt: NOW + 2 });
    expect((await store.findSession(session.id))?.revokedFor).toBe("client_disabled");
    expect((await store.listRevocations(0, 0, 10)).map(({ sessionId }) => sessionId)).toContain(client!.grantId);
    const next = newSession({ clientId: client!.id });
    expect(await store.createSessions([vouched(next)])).toEqual([{ created: true, evicted: [] }]);

    await store.disableClient(client!.id, NOW + 3);
    expect((await store.listRevocations(0, 0, 10)).map(({ sessionId }) => sessionId)).toContain(grantId);
    expect(await store.enableClient("lkc_unknown", newId(), NOW)).toBe(false);
  });

  it("changes nothing of a client that is enabled already", async () => {
    const store = await open();
    const [client] = await createClients(store, 1);
    expect(await store.enableClient(client!.id, newId(), NOW + 1)).toBe(true);
    expect(await store.findClient(client!.id)).toStrictEqual(client);
  });
}
