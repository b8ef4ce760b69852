import { LatchkeyError } from "../../errors.ts";

const BUSY = 5;
const LOCKED = 6;
const PROTOCOL = 15;
const CONSTRAINT = 19;

/** What a result code of SQLite means for the operator: what happened, and what to do. */
interface Meaning {
  readonly code: "store_unavailable" | "store_unusable";
  readonly retryAfterSeconds?: number;
  readonly explain: (place: string) => string;
}

const locked: Meaning = {
  code: "store_unavailable",
  retryAfterSeconds: 1,
  explain: (place) =>
    `Another process has held the lock on ${place} for too long. End that process (a backup, a shell, a migration), then try again.`,
};

const meanings: ReadonlyMap<number, Meaning> = new Map([
  [BUSY, locked],
  [LOCKED, locked],
  [PROTOCOL, locked],
  [
    7,
    {
      code: "store_unavailable",
      retryAfterSeconds: 5,
      explain: (place) =>
        `There was no memory left to work on ${place}. Allow the process more memory, or end other processes.`,
    },
  ],
  [
    8,
    {
      code: "store_unavailable",
      retryAfterSeconds: 5,
      explain: (place) =>
        `${place} cannot be written: the file, its directory or the file system is read-only. Mount it writable and give Latchkey's user write permission on file and directory.`,
    },
  ],
  [
    10,
    {
      code: "store_unavailable",
      retryAfterSeconds: 5,
      explain: (place) =>
        `Reading or writing ${place} failed, so the last change may or may not be kept. Check the disk, its free space and its mount.`,
    },
  ],
  [
    11,
    {
      code: "store_unusable",
      explain: (place) =>
        `${place} is damaged. Stop Latchkey, keep a copy of the file and of those beside it, and restore a backup.`,
    },
  ],
  [
    13,
    {
      code: "store_unavailable",
      retryAfterSeconds: 5,
      explain: (place) => `The disk of ${place} is full. Nothing was changed. Free some space; no restart is needed.`,
    },
  ],
  [
    14,
    {
      code: "store_unavailable",
      retryAfterSeconds: 5,
      explain: (place) =>
        `${place}, or its companion that ends in -wal or -shm, could not be opened. Check that the directory exists, that Latchkey's user may write in it, and how many files the process may open.`,
    },
  ],
  [
    26,
    {
      code: "store_unusable",
      explain: (place) => `${place} is not a SQLite database. Name another file, or restore a backup.`,
    },
  ],
]);

const unexpected: Meaning = {
  code: "store_unusable",
  explain: (place) =>
    `${place} refused a statement: its tables are damaged, or differ from those that this version of Latchkey creates. Restore a backup.`,
};

/** Whether a lock was in the way, so that the same act may succeed in a moment. */
export function isLocked(error: unknown): boolean {
  const code = resultCode(error);
  return code === BUSY || code === LOCKED || code === PROTOCOL;
}

/**
 * What to reject with when SQLite has failed at `place`. An error that is not SQLite's own is given back as it is, and so is a
 * broken constraint, which is a mistake of the caller and none of the database.
 */
export function toStoreError(error: unknown, place: string): unknown {
  const code = resultCode(error);
  if (code === null || code === CONSTRAINT) return error;
  const meaning = meanings.get(code) ?? unexpected;
  return new LatchkeyError(meaning.code, {
    detail: meaning.explain(place),
    cause: error,
    ...(meaning.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: meaning.retryAfterSeconds }),
  });
}

/** The primary result code, which is the low byte of the extended one; `null` for an error that is not SQLite's. */
function resultCode(error: unknown): number | null {
  if (!(error instanceof Error) || error.name !== "SqliteError") return null;
  const { rawCode } = error as { rawCode?: unknown };
  return typeof rawCode === "number" ? rawCode & 0xff : null;
}
