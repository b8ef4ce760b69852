import type { Client } from "../../records/client.ts";
import type { RevocationReason, Session } from "../../records/session.ts";
import { isAdmin, type User } from "../../records/user.ts";
import type { Parameter } from "./connection/pool.ts";

/** A column of a table that records are written to: its type, and which part of the record it contains. */
export interface Column<Item> {
  readonly name: string;
  readonly type: "bytea" | "text" | "bigint" | "int" | "boolean";
  readonly of: (item: Item) => string | number | boolean | Uint8Array | null;
}

export const sessionColumns: readonly Column<Session>[] = [
  { name: "id", type: "bytea", of: ({ id }) => sessionBytes(id) },
  { name: "subject", type: "text", of: ({ subject }) => subject },
  { name: "client_id", type: "text", of: ({ clientId }) => clientId },
  { name: "salt", type: "bytea", of: ({ salt }) => salt },
  { name: "confirmed", type: "bigint", of: ({ rotation }) => rotation.confirmed },
  { name: "pending_from", type: "bigint", of: ({ rotation }) => rotation.pendingFrom },
  { name: "pending_to", type: "bigint", of: ({ rotation }) => rotation.pendingTo },
  { name: "rotated_at", type: "bigint", of: ({ rotation }) => rotation.rotatedAt },
  { name: "created_at", type: "bigint", of: ({ createdAt }) => createdAt },
  { name: "auth_time", type: "bigint", of: ({ authTime }) => authTime },
  { name: "expires_at", type: "bigint", of: ({ expiresAt }) => expiresAt },
  { name: "revoked_at", type: "bigint", of: ({ revokedAt }) => revokedAt },
  { name: "revoked_for", type: "text", of: ({ revokedFor }) => revokedFor },
  { name: "jkt", type: "text", of: ({ jkt }) => jkt },
  { name: "device", type: "text", of: ({ device }) => device },
  { name: "user_agent", type: "text", of: ({ userAgent }) => userAgent },
  { name: "ip", type: "text", of: ({ ip }) => ip },
  { name: "scope", type: "text", of: ({ scope }) => scope },
  { name: "amr", type: "text", of: ({ amr }) => toJson(amr) },
  { name: "claims", type: "text", of: ({ claims }) => toJson(claims) },
  { name: "last_ip", type: "text", of: ({ lastIp }) => lastIp },
  { name: "last_user_agent", type: "text", of: ({ lastUserAgent }) => lastUserAgent },
  { name: "used_before", type: "bigint", of: ({ usedBefore }) => usedBefore },
  { name: "reuse_forgiven_at", type: "bigint", of: ({ rotation }) => rotation.reuseForgivenAt },
];

/** A row of `sessions`. Every bigint comes as a number, every bytea as a Buffer. */
// biome-ignore lint/suspicious/noExplicitAny: the columns are those above.
export type Row = Readonly<Record<string, any>>;

export function toSession(row: Row): Session {
  return {
    id: toId(row.id),
    subject: row.subject,
    clientId: row.client_id,
    salt: toBytes(row.salt),
    rotation: {
      confirmed: row.confirmed,
      pendingFrom: row.pending_from,
      pendingTo: row.pending_to,
      rotatedAt: row.rotated_at,
      reuseForgivenAt: row.reuse_forgiven_at,
    },
    createdAt: row.created_at,
    authTime: row.auth_time,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    revokedFor: row.revoked_for as RevocationReason | null,
    jkt: row.jkt,
    device: row.device,
    userAgent: row.user_agent,
    ip: row.ip,
    scope: row.scope,
    amr: fromJson(row.amr),
    claims: fromJson(row.claims),
    lastIp: row.last_ip,
    lastUserAgent: row.last_user_agent,
    usedBefore: row.used_before,
  };
}

export const userColumns: readonly Column<User>[] = [
  { name: "id", type: "text", of: ({ id }) => id },
  { name: "username", type: "text", of: ({ username }) => username },
  { name: "canonical_username", type: "text", of: ({ canonicalUsername }) => canonicalUsername },
  { name: "password_hash", type: "text", of: ({ passwordHash }) => passwordHash },
  // As JSON in a text, which takes any string and which no index can look into.
  { name: "roles", type: "text", of: ({ roles }) => JSON.stringify(roles) },
  { name: "is_admin", type: "boolean", of: ({ roles }) => isAdmin(roles) },
  { name: "created_at", type: "bigint", of: ({ createdAt }) => createdAt },
  { name: "updated_at", type: "bigint", of: ({ updatedAt }) => updatedAt },
  { name: "disabled_at", type: "bigint", of: ({ disabledAt }) => disabledAt },
  { name: "credentials_version", type: "int", of: ({ credentialsVersion }) => credentialsVersion },
];

/** @param prefix the prefix of the columns' names, if they appear next to those of another table. */
export function toUser(row: Row, prefix = ""): User {
  const at = (name: string) => row[prefix + name];
  return {
    id: at("id"),
    username: at("username"),
    canonicalUsername: at("canonical_username"),
    passwordHash: at("password_hash"),
    roles: JSON.parse(at("roles")),
    createdAt: at("created_at"),
    updatedAt: at("updated_at"),
    disabledAt: at("disabled_at"),
    credentialsVersion: at("credentials_version"),
  };
}

export const clientColumns: readonly Column<Client>[] = [
  { name: "id", type: "text", of: ({ id }) => id },
  { name: "name", type: "text", of: ({ name }) => name },
  { name: "kind", type: "text", of: ({ kind }) => kind },
  { name: "secret_hash", type: "bytea", of: ({ secretHash }) => secretHash },
  { name: "grant_types", type: "text", of: ({ grantTypes }) => JSON.stringify(grantTypes) },
  { name: "scope", type: "text", of: ({ scope }) => scope },
  { name: "grant_id", type: "bytea", of: ({ grantId }) => grantBytes(grantId) },
  { name: "created_at", type: "bigint", of: ({ createdAt }) => createdAt },
  { name: "updated_at", type: "bigint", of: ({ updatedAt }) => updatedAt },
  { name: "disabled_at", type: "bigint", of: ({ disabledAt }) => disabledAt },
];

export function toClient(row: Row): Client {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    secretHash: row.secret_hash === null ? null : toBytes(row.secret_hash),
    grantTypes: JSON.parse(row.grant_types),
    scope: row.scope,
    grantId: toId(row.grant_id),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    disabledAt: row.disabled_at,
  };
}

/** `INSERT` of a batch, and its parameters: one list for each column. What may follow is `rest`. */
export function insertion<Item>(
  table: string,
  columns: readonly Column<Item>[],
  items: readonly Item[],
  rest = "",
): { readonly sql: string; readonly parameters: Parameter[] } {
  const names = columns.map(({ name }) => name).join(", ");
  const lists = columns.map(({ type }, index) => `$${index + 1}::${type}[]`).join(", ");
  return {
    sql: `INSERT INTO latchkey.${table} (${names})
          SELECT ${names} FROM unnest(${lists}) WITH ORDINALITY AS t (${names}, nth) ORDER BY nth ${rest}`,
    parameters: columns.map(({ of }) => checked(items.map(of))),
  };
}

/** U+0000 and lone surrogates: PostgreSQL refuses the one, UTF-8 the other, and a lookup that alters them finds someone else. */
const unstorable = /\0|\p{Surrogate}/u;

/** Whether a text can be stored. Looking one up that cannot finds nothing. */
export function isStorable(text: string): boolean {
  return !unstorable.test(text);
}

/** Returns the values. @throws TypeError where one of them cannot be stored. */
export function checked<Value extends string | number | boolean | Uint8Array | null>(
  values: readonly Value[],
): Value[] {
  for (const value of values) {
    const isGood =
      typeof value === "string" ? isStorable(value) : typeof value !== "number" || Number.isSafeInteger(value);
    if (!isGood) {
      throw new TypeError(
        "The store accepts integers up to 2^53 - 1, bytes, null, and text without U+0000 and lone surrogates.",
      );
    }
  }
  return [...values];
}

/** The 16 bytes of a session id, or `null` where the text is not exactly how they are written. */
export function idToBytes(id: string): Buffer | null {
  if (id.length !== 22) return null;
  const bytes = Buffer.from(id, "base64url");
  return bytes.toString("base64url") === id ? bytes : null;
}

export function toId(bytes: Buffer): string {
  return bytes.toString("base64url");
}

/** Bytes in memory of their own, unlike a Buffer, which shares its memory with others. */
export function toBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer);
}

/** @throws TypeError where the text is no grant id. */
export function grantBytes(grantId: string): Buffer {
  const bytes = idToBytes(grantId);
  if (bytes === null) throw new TypeError("A client's grant id is 16 bytes as base64url.");
  return bytes;
}

function sessionBytes(id: string): Buffer {
  const bytes = idToBytes(id);
  if (bytes === null) throw new TypeError("A session id is 16 bytes as base64url.");
  return bytes;
}

function toJson(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}

function fromJson(text: string | null): never {
  return (text === null ? null : JSON.parse(text)) as never;
}
