import type { Client } from "../../records/client.ts";
import type { DisabledClient } from "../client-store.ts";
import { bytesFromHex, type Query, type SqliteDatabase } from "./database.ts";
import { idFromHex, idToBytes } from "./rows.ts";
import type { SqliteSessions } from "./sessions.ts";

/** The acts on clients. Each is whole only inside the transaction that its caller runs it in. */
export class SqliteClients {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #sessions: SqliteSessions;
  /** Queries that may give, or look at, more rows than the event loop may wait for. */
  readonly long: Readonly<{ list: Query<[afterId: string, limit: number], Client> }>;

  constructor(database: SqliteDatabase, sessions: SqliteSessions) {
    this.#statements = prepare(database);
    this.#sessions = sessions;
    this.long = { list: this.#statements.list };
  }

  create(client: Client): void {
    this.#statements.insert.run(
      client.id,
      client.name,
      client.kind,
      client.secretHash,
      JSON.stringify(client.grantTypes),
      client.scope,
      grantBytes(client.grantId),
      client.createdAt,
      client.updatedAt,
      client.disabledAt,
    );
  }

  find(id: string): Client | null {
    return this.#statements.find.first(id);
  }

  async disable(id: string, at: number): Promise<DisabledClient | null> {
    const found = this.find(id);
    if (found === null) return null;
    const client = found.disabledAt === null ? { ...found, updatedAt: at, disabledAt: at } : found;
    if (client !== found) this.#statements.disable.run(at, at, id);
    return { client, revoked: await this.#sessions.revokeClient(id, { at, reason: "client_disabled" }) };
  }

  enable(id: string, grantId: string, at: number): boolean {
    const client = this.find(id);
    if (client === null) return false;
    if (client.disabledAt !== null) this.#statements.enable.run(grantBytes(grantId), at, id);
    return true;
  }
}

function prepare(database: SqliteDatabase) {
  const clients = <P extends readonly (string | number)[]>(rest: string) =>
    database.query<P, Client, ClientJson>(CLIENT_JSON, `FROM clients c ${rest}`, toClient);
  return {
    find: clients<[id: string]>("WHERE c.id = ?"),
    list: clients<[afterId: string, limit: number]>(
      "WHERE c.rowid > coalesce((SELECT rowid FROM clients WHERE id = ?), 0) ORDER BY c.rowid LIMIT ?",
    ),
    insert: database.command(
      `INSERT INTO clients (
         id, name, kind, secret_hash, grant_types, scope, grant_id, created_at, updated_at, disabled_at
       ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    disable: database.command<[disabledAt: number, at: number, id: string]>(
      "UPDATE clients SET disabled_at = ?, updated_at = ? WHERE id = ?",
    ),
    enable: database.command<[grantId: Uint8Array, at: number, id: string]>(
      "UPDATE clients SET disabled_at = NULL, grant_id = ?, updated_at = ? WHERE id = ?",
    ),
  };
}

const CLIENT_JSON = `json_object(
  'id', c.id, 'name', c.name, 'kind', c.kind, 'secretHash', iif(c.secret_hash IS NULL, NULL, hex(c.secret_hash)),
  'grantTypes', json(c.grant_types), 'scope', c.scope, 'grantId', hex(c.grant_id),
  'createdAt', c.created_at, 'updatedAt', c.updated_at, 'disabledAt', c.disabled_at)`;

type ClientJson = Omit<Client, "secretHash"> & { readonly secretHash: string | null };

function toClient(json: ClientJson): Client {
  return {
    ...json,
    secretHash: json.secretHash === null ? null : bytesFromHex(json.secretHash),
    grantId: idFromHex(json.grantId),
  };
}

function grantBytes(grantId: string): Uint8Array {
  const bytes = idToBytes(grantId);
  if (bytes === null) throw new TypeError("A client's grant id is 16 bytes as base64url.");
  return bytes;
}
