import type { DpopRequest } from "../../access-token/dpop-proof.ts";
import { grantedScope, parseScope } from "../../access-token/scope.ts";
import { LatchkeyError } from "../../errors.ts";
import type { Client, GrantType } from "../../records/client.ts";
import {
  createClientId,
  createClientSecret,
  createGrantId,
  hashClientSecret,
  isClientSecret,
} from "../../secrets/client-credentials.ts";
import type { EngineParts } from "../engine.ts";
import type { RequestContext } from "../events.ts";

/** Every grant type that a client may be allowed. */
export const clientGrantTypes: readonly GrantType[] = ["client_credentials", "password", "refresh_token"];

/** A client as it may be shown, without the hash of its secret. */
export type ClientDescription = Omit<Client, "secretHash">;

/** The properties of a new client. */
export interface ClientRequest {
  /** The operator's name for it: 1 to 128 characters on one line. */
  readonly name: string;
  /** Whether it can keep a secret; a public client gets none. Default: `confidential`. */
  readonly kind?: Client["kind"] | undefined;
  /** Default: `client_credentials` for a confidential client, `refresh_token` for a public one. */
  readonly grantTypes?: readonly GrantType[] | undefined;
  /** The scopes it may request, space-separated. Default: nothing. */
  readonly scope?: string | undefined;
}

/** How a client proves who it is. A public one has no secret. */
export interface ClientCredentials {
  readonly clientId: string;
  readonly clientSecret?: string | undefined;
}

/** A client's own access token. No refresh token comes with it (RFC 6749 section 4.4.3). */
export interface ClientToken {
  readonly accessToken: string;
  /** `DPoP` if it is bound to a key (RFC 9449 section 5). */
  readonly tokenType: "Bearer" | "DPoP";
  readonly expiresInSeconds: number;
  /** The granted scope, space-separated; the empty string if nothing was granted. */
  readonly scope: string;
}

/** The programs that may request tokens. */
export interface Clients {
  /**
   * Creates a client. The secret is returned here and never again; `null` for a public client.
   * @throws LatchkeyError `invalid_request` with what is wrong.
   */
  create(
    request: ClientRequest,
    context?: RequestContext,
  ): Promise<{ readonly client: ClientDescription; readonly secret: string | null }>;
  find(id: string): Promise<ClientDescription | null>;
  /** At most `limit` clients in the order in which they were created, after the one with the id `afterId`. */
  list(page?: { readonly afterId?: string; readonly limit?: number }): Promise<readonly ClientDescription[]>;
  /**
   * Disables a client, and ends its sessions and its own access tokens in the same act. Idempotent.
   * @throws LatchkeyError `not_found`.
   */
  disable(id: string, context?: RequestContext): Promise<ClientDescription>;
  /** Enables a disabled client; sessions and tokens revoked when it was disabled stay revoked. Throws `not_found`. */
  enable(id: string, context?: RequestContext): Promise<ClientDescription>;
  /**
   * The enabled client whose credentials these are (RFC 6749 section 2.3).
   * @throws LatchkeyError `invalid_client`, the same for every reason.
   */
  authenticate(credentials: ClientCredentials, context?: RequestContext): Promise<ClientDescription>;
  /**
   * Issues a client's own access token (RFC 6749 section 4.4), with all of its scope or the requested part, and bound
   * to the key of the proof if there is one.
   * @throws LatchkeyError `unauthorized_client`, `invalid_scope`, `invalid_dpop_proof`, `use_dpop_nonce`.
   */
  issueToken(
    client: ClientDescription,
    scope?: string,
    context?: RequestContext,
    presented?: { readonly dpop?: DpopRequest | undefined },
  ): Promise<ClientToken>;
}

/** Joins clients to sessions, tokens and events. */
export function createClients({
  options,
  store,
  accessTokens,
  proofs,
  emit,
  announceRevoked,
  now,
}: EngineParts): Clients {
  const { random } = options.environment;

  return {
    async create(request, context = {}) {
      const { name, kind, grantTypes, scope } = checked(request);
      const secret = kind === "confidential" ? createClientSecret(random) : null;
      const at = now();
      const client: Client = {
        id: createClientId(random),
        name,
        kind,
        secretHash: secret === null ? null : hashClientSecret(secret),
        grantTypes,
        scope,
        grantId: createGrantId(random),
        createdAt: at,
        updatedAt: at,
        disabledAt: null,
      };
      await store.createClient(client);
      emit({ type: "client.created", clientId: client.id }, context);
      return { client: described(client), secret };
    },

    async find(id) {
      const client = await store.findClient(id);
      return client && described(client);
    },

    async list({ afterId = "", limit = 100 } = {}) {
      return (await store.listClients(afterId, limit)).map(described);
    },

    async disable(id, context = {}) {
      const at = now();
      const disabled = await store.disableClient(id, at);
      if (disabled === null) throw unknownClient();
      const { client, revoked } = disabled;
      const why = { reason: "client_disabled" } as const;
      const act = { type: "client.disabled", clientId: id } as const;
      await announceRevoked({ sessions: revoked, at, why, alsoEnded: client.grantId, act }, context);
      return described(client);
    },

    async enable(id, context = {}) {
      const found = await store.enableClient(id, createGrantId(random), now());
      const client = found ? await store.findClient(id) : null;
      if (client === null) throw unknownClient();
      emit({ type: "client.enabled", clientId: id }, context);
      return described(client);
    },

    async authenticate({ clientId, clientSecret }, context = {}) {
      const client = await store.findClient(clientId);
      const proved =
        client?.kind === "public" ? clientSecret === undefined : isClientSecret(clientSecret ?? "", client);
      if (client !== null && proved && client.disabledAt === null) return described(client);
      emit({ type: "client.refused", clientId: client?.id ?? null }, context);
      throw new LatchkeyError("invalid_client");
    },

    async issueToken(client, asked, context = {}, { dpop } = {}) {
      if (client.kind === "public" || !client.grantTypes.includes("client_credentials")) {
        throw new LatchkeyError("unauthorized_client");
      }
      const scope = scopeFor(client, asked);
      const proof = dpop && (await proofs.read(dpop));
      if (proof !== undefined) proofs.use(proof);
      const jkt = proof?.jkt;
      const { token, expiresInSeconds } = await accessTokens.signForClient({ client, scope, jkt, now: now() });
      emit({ type: "client.token_issued", clientId: client.id, scope }, context);
      return { accessToken: token, tokenType: jkt === undefined ? "Bearer" : "DPoP", expiresInSeconds, scope };
    },
  };
}

/** The part of the requested scope that a client is granted. @throws LatchkeyError `invalid_scope`. */
export function scopeFor(client: ClientDescription, asked: string | undefined): string {
  const scope = grantedScope(asked, client.scope);
  if (scope !== undefined) return scope;
  throw new LatchkeyError("invalid_scope", { description: "The client is not allowed to request this scope." });
}

function checked({ name, kind = "confidential", grantTypes, scope = "" }: ClientRequest) {
  const grants = [
    ...new Set(grantTypes ?? [kind === "public" ? "refresh_token" : "client_credentials"]),
  ] as GrantType[];
  const scopes = typeof scope === "string" ? parseScope(scope) : undefined;
  const unknown = grants.find((grant) => !clientGrantTypes.includes(grant));
  if (typeof name !== "string" || !/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,128}$/u.test(name)) {
    throw wrong("A client's name has 1 to 128 characters and no line breaks.");
  }
  if (kind !== "public" && kind !== "confidential") throw wrong("A client is either confidential or public.");
  if (unknown !== undefined) throw wrong(`A grant is one of ${clientGrantTypes.join(", ")}.`);
  if (kind === "public" && grants.includes("client_credentials")) {
    throw wrong("A public client has no secret, so it cannot have the grant client_credentials.");
  }
  if (grants.includes("password") && !grants.includes("refresh_token")) {
    throw wrong("The grant password opens sessions, which continue by refresh_token. Allow that grant as well.");
  }
  if (scopes === undefined) {
    throw wrong(
      "A scope contains printable ASCII without quotes and backslashes, separated by spaces, at most 1,024 characters.",
    );
  }
  return { name, kind, grantTypes: grants, scope: scopes.join(" ") };
}

function described({ secretHash: _, ...client }: Client): ClientDescription {
  return client;
}

function wrong(description: string): LatchkeyError {
  return new LatchkeyError("invalid_request", { description });
}

function unknownClient(): LatchkeyError {
  return new LatchkeyError("not_found", {
    description: "No client has this id. 'latchkey client list' shows all clients.",
  });
}
