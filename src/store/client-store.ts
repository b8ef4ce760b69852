import type { Client } from "../records/client.ts";
import type { RevokedSession } from "../records/revocation.ts";

/** Keeps the programs that request tokens. */
export interface ClientStore {
  /** Creates a client. */
  createClient(client: Client): Promise<void>;

  findClient(id: string): Promise<Client | null>;

  /**
   * At most `limit` clients in the order in which they were created, after the one with the id `afterId` (from the
   * first if none has that id).
   */
  listClients(afterId: string, limit: number): Promise<readonly Client[]>;

  /**
   * Disables a client, revokes all its sessions and its own access tokens in the same act. `null` for an unknown
   * client. If repeated, the time of the first call is kept.
   */
  disableClient(id: string, at: number): Promise<DisabledClient | null>;

  /**
   * Enables a disabled client again, with a new `grantId`, so that its older access tokens stay revoked. `false` for an
   * unknown client.
   */
  enableClient(id: string, grantId: string, at: number): Promise<boolean>;
}

/** A client after it has been disabled, and the sessions that have just ended with it. */
export interface DisabledClient {
  readonly client: Client;
  readonly revoked: readonly RevokedSession[];
}
