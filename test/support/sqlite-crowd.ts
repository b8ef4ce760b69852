import Libsql from "libsql";
import { onTestFinished } from "vitest";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import { newPath } from "./places.ts";
import { newSession, newUser, vouched } from "./records.ts";

/** What a crowd's users and sessions are like; columns that are not named are the same for all of them. */
export interface Crowd {
  readonly size: number;
  /** SQL expressions, in which `n` counts from 1. */
  readonly users?: Readonly<Record<string, string>>;
  readonly sessions?: Readonly<Record<string, string>>;
}

/** A store in a file with so many users and sessions, each person with one session unless said otherwise. */
export async function crowdedStore({ size, users, sessions }: Crowd): Promise<{ path: string; store: Store }> {
  const path = newPath();
  const store = await createSqliteStore(path);
  onTestFinished(() => store.close());
  await store.createUser(newUser());
  await store.createSessions([vouched(newSession())]);
  const connection = new Libsql(path);
  connection.exec("PRAGMA synchronous = OFF");
  const name = "'person-' || n";
  const person = { id: name, username: name, canonical_username: name };
  copyFirstRow(connection, "users", size, { ...person, ...users });
  copyFirstRow(connection, "sessions", size, {
    id: "randomblob(16)",
    salt: "randomblob(16)",
    subject: name,
    created_at: "created_at - n",
    ...sessions,
  });
  connection.close();
  return { path, store };
}

function copyFirstRow(
  connection: Libsql.Database,
  table: string,
  count: number,
  own: Readonly<Record<string, string>>,
): void {
  const found = connection.prepare(`SELECT name FROM pragma_table_info('${table}')`).all() as { name: string }[];
  const names = found.map(({ name }) => name);
  connection.exec(
    `INSERT INTO ${table} (${names.join(", ")})
     WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${count})
     SELECT ${names.map((name) => own[name] ?? name).join(", ")} FROM numbers, ${table} WHERE ${table}.rowid = 1`,
  );
}
