import { statSync } from "node:fs";
import { resolve } from "node:path";

/** What a file's mode lets every user of the machine do. A group may share a database, as processes under several users do. */
const EVERYBODY = 0o007;

/**
 * What is wrong with the modes of a SQLite database's files, which hold password hashes and the addresses of people; `undefined`
 * where nothing is. Windows knows no such modes and reports invented ones.
 */
export function openToEverybody(path: string): string | undefined {
  if (process.platform === "win32") return undefined;
  const place = resolve(path);
  const open = [place, `${place}-wal`, `${place}-shm`].filter((file) => {
    const found = statSync(file, { throwIfNoEntry: false });
    // An empty file holds nothing that anybody could have read.
    return found?.isFile() && found.size > 0 && (found.mode & EVERYBODY) !== 0;
  });
  if (open.length === 0) return undefined;
  const quoted = open.map((file) => `'${file.replaceAll("'", "'\\''")}'`).join(" ");
  return `${open[0]} can be read by every user of this machine, and it holds password hashes. Run: chmod o= ${quoted}. If someone may have read it, replace the passwords.`;
}
