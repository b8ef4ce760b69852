import type { Client } from "../records/client.ts";
import type { RevokedSession } from "../records/revocation.ts";

/** Keeps the programs that ask for tokens. */
export interface ClientStore {
  /** Creates a client. */
  createClient(client: Client): Promise<void>;

  findClient(id: string): Promise<Client | null>;

  /** Clients in the order in which they were created, after the one with the id `afterId` (from the first where there is none), `limit` at most. */
  listClients(afterId: string, limit: number): Promise<readonly Client[]>;

  /**
   * Disables a client, revokes all its sessions and its own access tokens in the same act. `null` for an unknown client.
   * Done twice, it keeps the first time.
   */
  disableClient(id: string, at: number): Promise<DisabledClient | null>;

  /** Lets a disabled client in again, with a new `grantId`, so that its older access tokens stay revoked. `false` for an unknown client. */
  enableClient(id: string, grantId: string, at: number): Promise<boolean>;
}

/** A client as it is once it has been disabled, and the sessions that ended with it just now. */
export interface DisabledClient {
  readonly client: Client;
  readonly revoked: readonly RevokedSession[];
}
