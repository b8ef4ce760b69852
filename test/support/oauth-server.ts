import { expect } from "vitest";
import type { ClientRequest } from "../../src/index.ts";
import {
  type CallRequest,
  createTestBed,
  PASSWORD,
  type Reply,
  type TestBed,
  type TestBedOptions,
} from "./test-bed.ts";

/** A client of the test bed, with its secret. */
export interface TestClient {
  readonly id: string;
  /** The empty text for a public client. */
  readonly secret: string;
  /** `Authorization: Basic`, as RFC 6749 section 2.3.1 has it. */
  readonly basic: Readonly<Record<string, string>>;
  /** The same two in a form. */
  readonly inForm: Readonly<Record<string, string>>;
}

/** A test bed with everything switched on that OAuth clients need, and ada as a user. */
export interface OAuthBed extends TestBed {
  readonly userId: string;
  client(request?: Partial<ClientRequest>): Promise<TestClient>;
  /** Posts a form, with the client in the header where there is one. */
  post(path: string, form: Readonly<Record<string, string>>, client?: TestClient, given?: CallRequest): Promise<Reply>;
  /** Signs ada in through a client. */
  signIn(client?: TestClient): Promise<Reply["body"]>;
}

export function basic(id: string, secret: string): { readonly authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}` };
}

export async function createOAuthBed(options: TestBedOptions = {}): Promise<OAuthBed> {
  const bed = await createTestBed(options, { passwordGrant: true });
  const { id: userId } = await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });

  const post: OAuthBed["post"] = (path, form, client, given = {}) =>
    bed.call("POST", path, { form, ...given, headers: { ...client?.basic, ...given.headers } });

  return {
    ...bed,
    userId,
    post,
    async client(request = {}) {
      const { client, secret } = await bed.issuer.clients.create({ name: "test", ...request });
      const inForm = { client_id: client.id, ...(secret !== null && { client_secret: secret }) };
      return { id: client.id, secret: secret ?? "", basic: basic(client.id, secret ?? ""), inForm };
    },
    async signIn(client) {
      const form = { grant_type: "password", username: "ada", password: PASSWORD };
      const { status, body } = await post("/token", form, client);
      expect([status, body.error_description]).toEqual([200, undefined]);
      return body;
    },
  };
}

/** What a client needs for sessions of people. */
export const forPeople = { grantTypes: ["password", "refresh_token"] } as const;
