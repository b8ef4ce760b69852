import { randomBytes } from "node:crypto";
import { link, open, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { OperatorError, systemErrorCode } from "../failure.ts";

const FILE_NAME = "latchkey.secret";
const SECRET = /^[A-Za-z0-9_-]{43}$/;
const FILE_MODE = 0o600;
const OTHERS = 0o077;
/** Far above what such a file holds, so that another file given by mistake is not read whole. */
const MOST_BYTES = 256;

/** A fresh root secret: 32 random bytes as base64url. */
export function createSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** Where the secret of a database is kept when `LATCHKEY_SECRET` is not set: beside it. */
export function secretFilePath(databasePath: string): string {
  return join(dirname(resolve(databasePath)), FILE_NAME);
}

/**
 * Reads a secret file; `undefined` where there is none.
 * @throws OperatorError when others can read it, when it is damaged, and when it cannot be read.
 */
export async function readSecretFile(path: string): Promise<string | undefined> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined;
    throw unusable(
      path,
      `cannot be read (${systemErrorCode(error)})`,
      "Give the user that runs this server read permission",
    );
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw unusable(path, "is not a file", "Move it away");
    // Windows knows no such modes and reports invented ones.
    if (process.platform !== "win32" && (stat.mode & OTHERS) !== 0) {
      throw unusable(
        path,
        "can be read by other users",
        `Run: chmod 600 '${path}'. If someone may have read it, create a new one`,
      );
    }
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MOST_BYTES), 0, MOST_BYTES, 0);
    const text = buffer.toString("latin1", 0, bytesRead).trim();
    if (SECRET.test(text)) return text;
    throw unusable(path, "is damaged", "Restore it from a backup. To use a secret of your own, set LATCHKEY_SECRET");
  } finally {
    await file.close();
  }
}

/**
 * Creates a secret file, readable only by its owner, and returns the secret that it then contains: another process's,
 * if that one was first. The file appears whole or not at all.
 * @throws OperatorError when it cannot be written.
 */
export async function createSecretFile(path: string): Promise<string> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await writeDurably(draft, `${createSecret()}\n`);
    // Unlike a rename, a link never replaces what another process has put there meanwhile.
    await link(draft, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== "EEXIST") {
      throw unusable(path, `cannot be created (${code})`, "Make its directory writable, or set LATCHKEY_SECRET");
    }
  } finally {
    await unlink(draft).catch(() => {});
  }
  const secret = await readSecretFile(path);
  if (secret === undefined) throw unusable(path, "was removed while it was created", "Start again");
  return secret;
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", FILE_MODE);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function unusable(path: string, problem: string, remedy: string): OperatorError {
  return new OperatorError(`The secret file ${path} ${problem}. ${remedy}.`);
}
