import { describe, expect, it } from "vitest";
import type { ForeignSession, Issuer, IssuerOptions, JsonValue } from "../../src/index.ts";
import { createTestBed } from "../support/test-bed.ts";

type Claims = Readonly<Record<string, JsonValue>>;

/** What an own claim may never add to an access token, and would where it could. */
const SMUGGLED = { scope: "admin:*", amr: ["hwk"], cnf: { jkt: "x".repeat(43) }, nbf: 1, acr: "2" };

const payloadOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString());

/** Claims that are harmless while they are looked at, and hold what is smuggled later. */
const changing: Readonly<Record<string, () => { readonly claims: Claims; readonly change?: () => void }>> = {
  "an object that is changed after the call": () => {
    const claims: Record<string, JsonValue> = { tenant: "acme" };
    return { claims, change: () => Object.assign(claims, SMUGGLED) };
  },
  "an object whose inner object is changed after the call": () => {
    const limits: Record<string, JsonValue> = { seats: 1 };
    return { claims: { tenant: "acme", limits }, change: () => Object.assign(limits, { seats: 1000 }) };
  },
  "a getter that answers differently the second time": () => {
    let reads = 0;
    const claims = Object.defineProperty({}, "tenant", {
      enumerable: true,
      get: () => (reads++ === 0 ? "acme" : "another"),
    });
    return { claims: claims as Claims };
  },
  "a proxy that names more claims the second time": () => {
    let asked = 0;
    const claims = new Proxy({ tenant: "acme", ...SMUGGLED } as Record<string, JsonValue>, {
      ownKeys: () => (asked++ === 0 ? ["tenant"] : ["tenant", ...Object.keys(SMUGGLED)]),
    });
    return { claims };
  },
  "an inner proxy that is harmless the first time": () => {
    let reads = 0;
    const inner = new Proxy<Record<string, JsonValue>>({ seats: 1 }, { get: () => (reads++ === 0 ? 1 : 1000) });
    return { claims: { tenant: "acme", limits: inner } };
  },
};

/** Lists that are harmless while they are looked at. */
const changingLists: Readonly<
  Record<string, () => { readonly list: readonly string[]; readonly change?: () => void }>
> = {
  "a list that is changed after the call": () => {
    const list = ["pwd"];
    return { list, change: () => void list.push("admin") };
  },
  "a list that turns into another one in JSON": () => ({
    list: Object.assign(["pwd"], { toJSON: () => ["admin"] }),
  }),
  "a proxy that is harmless the first time": () => {
    let reads = 0;
    const list = new Proxy(["pwd"], {
      get: (target, name) => (name === "0" && reads++ > 0 ? "admin" : Reflect.get(target, name)),
    });
    return { list };
  },
};

const subjects: IssuerOptions["subjects"] = async (ids) => new Map(ids.map((id) => [id, { roles: ["buyer"] }]));

function foreignSession(details: Partial<ForeignSession>): ForeignSession {
  const authTime = Date.UTC(2026, 10, 21, 11);
  return { id: "family 1", subject: "customer-7", authTime, expiresAt: authTime + 86_400_000, ...details };
}

/** The three ways by which an application says what goes into access tokens: the payloads of the first and of the next. */
const ways: Readonly<
  Record<string, (details: Partial<ForeignSession>, change?: () => void) => Promise<readonly Record<string, unknown>[]>>
> = {
  async issue(details, change) {
    const { issuer } = await createTestBed({ subjects });
    const issuing = issuer.issue({ subject: "customer-7", ...ownOf(details) } as Parameters<Issuer["issue"]>[0]);
    change?.();
    const first = await issuing;
    const next = await issuer.refresh(first.refreshToken);
    return [first, next].map(({ accessToken }) => payloadOf(accessToken));
  },
  async foreignRefreshTokens(details, change) {
    const { issuer } = await createTestBed({
      subjects,
      foreignRefreshTokens: async () => {
        queueMicrotask(() => queueMicrotask(() => change?.()));
        return foreignSession(details);
      },
    });
    const first = await issuer.refresh("OLD-1");
    const next = await issuer.refresh(first.refreshToken);
    return [first, next].map(({ accessToken }) => payloadOf(accessToken));
  },
  async adoptSessions(details, change) {
    const { issuer } = await createTestBed({ subjects, foreignRefreshTokens: async () => foreignSession({}) });
    const adopting = issuer.sessions.adopt(
      (function* () {
        yield foreignSession(details);
        change?.();
      })(),
    );
    await adopting;
    return [payloadOf((await issuer.refresh("OLD-1")).accessToken)];
  },
};

function ownOf({ claims, amr, scope, device, clientId }: Partial<ForeignSession>) {
  return { claims, amr, scope, device, clientId };
}

describe.each(Object.entries(ways))("what %s is given", (_, payloads) => {
  it.each(Object.entries(changing))("for claims, %s, is copied once and checked as the copy", async (_name, make) => {
    const { claims, change } = make();
    for (const payload of await payloads({ claims }, change)) {
      expect(payload).toMatchObject({ tenant: "acme" });
      for (const [name, value] of Object.entries(SMUGGLED)) expect([name, payload[name]]).not.toEqual([name, value]);
      if (payload.limits !== undefined) expect(payload.limits).toEqual({ seats: 1 });
    }
  });

  it.each(Object.entries(changingLists))("for amr, %s, is copied once", async (_name, make) => {
    const { list, change } = make();
    for (const payload of await payloads({ amr: list }, change)) expect(payload.amr).toEqual(["pwd"]);
  });

  it.each<readonly [keyof ForeignSession, unknown]>([
    ["amr", "pwd"],
    ["amr", ["pwd", 1]],
    ["amr", [""]],
    ["amr", { 0: "pwd", length: 1 }],
    ["scope", ["admin"]],
    ["scope", { toString: () => "admin" }],
    ["device", {}],
    ["clientId", 7],
  ])("is refused where %s is %j, by its name", async (name, value) => {
    await expect(payloads({ [name]: value } as Partial<ForeignSession>)).rejects.toThrow(
      expect.objectContaining({ name: "TypeError", message: expect.stringContaining(`'${name}'`) }),
    );
  });
});

describe("the roles that the option subjects gives", () => {
  it.each(Object.entries(changingLists))("as %s, are copied once", async (_name, make) => {
    let change: (() => void) | undefined;
    const { issuer } = await createTestBed({
      subjects: async (ids) =>
        new Map(
          ids.map((id) => {
            const { list, change: later } = make();
            change = later;
            queueMicrotask(() => queueMicrotask(() => queueMicrotask(() => change?.())));
            return [id, { roles: list }];
          }),
        ),
    });
    const first = await issuer.issue({ subject: "ada" });
    const next = await issuer.refresh(first.refreshToken);
    for (const { accessToken } of [first, next]) expect(payloadOf(accessToken).roles).toEqual(["pwd"]);
  });

  it.each<unknown>(["admin", ["admin", 1], { admin: true }, 7])(
    "are refused where they are %j: a fault of the application, and no token is signed",
    async (roles) => {
      const { issuer } = await createTestBed({
        subjects: async (ids) => new Map(ids.map((id) => [id, { roles }])) as never,
      });
      await expect(issuer.issue({ subject: "ada" })).rejects.toMatchObject({
        code: "store_unavailable",
        detail: expect.stringContaining("'subjects'"),
      });
    },
  );
});
