import type { AccessLifetime } from "../../records/access-lifetime.ts";
import type { SqliteDatabase } from "./database.ts";

/** The acts on lifetimes of access tokens. Each is synchronous and is whole only inside the transaction that its caller runs it in. */
export class SqliteAccessLifetimes {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: SqliteDatabase) {
    this.#statements = prepare(database);
  }

  list(): readonly AccessLifetime[] {
    return this.#statements.list.all();
  }

  keep({ seconds, lastInForceAt }: AccessLifetime, outlivedBy: number): readonly AccessLifetime[] {
    this.#statements.keep.run(seconds, lastInForceAt);
    this.#statements.drop.run(outlivedBy);
    return this.list();
  }
}

function prepare(database: SqliteDatabase) {
  return {
    list: database.query<[], AccessLifetime>(
      "json_object('seconds', seconds, 'lastInForceAt', last_in_force_at)",
      "FROM access_lifetimes ORDER BY seconds",
    ),
    keep: database.command<[seconds: number, lastInForceAt: number]>(
      `INSERT INTO access_lifetimes (seconds, last_in_force_at) VALUES (?, ?)
       ON CONFLICT (seconds) DO UPDATE SET last_in_force_at = max(last_in_force_at, excluded.last_in_force_at)`,
    ),
    drop: database.command<[outlivedBy: number]>(
      "DELETE FROM access_lifetimes WHERE last_in_force_at + seconds * 1000 <= ?",
    ),
  };
}
