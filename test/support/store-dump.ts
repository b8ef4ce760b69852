import Database from "libsql";

/** Every row of every table of a SQLite file, as another process would read them. Bytes are shown as hexadecimal. */
export function dumpDatabase(path: string): Record<string, readonly Record<string, unknown>[]> {
  const database = new Database(path, { readonly: true });
  try {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all();
    return Object.fromEntries(
      (tables as { name: string }[]).map(({ name }) => [
        name,
        (database.prepare(`SELECT * FROM "${name}"`).all() as Row[]).map(shown),
      ]),
    );
  } finally {
    database.close();
  }
}

type Row = Record<string, unknown>;

function shown(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [
      column,
      value instanceof Uint8Array || value instanceof ArrayBuffer
        ? Buffer.from(value as Uint8Array).toString("hex")
        : value,
    ]),
  );
}
