import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { rootSecretProblem } from "../../src/secrets/root-secret.ts";
import {
  createSecret,
  createSecretFile,
  readSecretFile,
  secretFilePath,
} from "../../src/server/settings/secret-file.ts";
import { latchkey } from "../support/server-process.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-secret-"));
  path = join(folder, "latchkey.secret");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function modeOf(file: string): number {
  return statSync(file).mode & 0o777;
}

describe("a secret", () => {
  it("has 32 random bytes, and is a root secret that is accepted", () => {
    const secrets = Array.from({ length: 100 }, createSecret);
    expect(new Set(secrets).size).toBe(100);
    for (const secret of secrets) {
      expect(Buffer.from(secret, "base64url")).toHaveLength(32);
      expect(rootSecretProblem(secret)).toBeUndefined();
    }
  });
});

describe("the secret file", () => {
  it("stands beside the database", () => {
    expect(secretFilePath("/var/lib/latchkey/app.db")).toBe("/var/lib/latchkey/latchkey.secret");
    expect(secretFilePath("latchkey.db")).toBe(join(process.cwd(), "latchkey.secret"));
  });

  it("is made for its owner alone, whatever the umask, and holds the secret that was given back", async () => {
    const umask = process.umask(0);
    try {
      const secret = await createSecretFile(path);
      expect(modeOf(path)).toBe(0o600);
      expect(await readSecretFile(path)).toBe(secret);
      expect(readdirSync(folder)).toEqual(["latchkey.secret"]);
    } finally {
      process.umask(umask);
    }
  });

  it("that is not there is no secret and no error", async () => {
    expect(await readSecretFile(path)).toBeUndefined();
  });

  it("is made once by fifty at the same time, and all get the same secret", async () => {
    const secrets = await Promise.all(Array.from({ length: 50 }, () => createSecretFile(path)));
    expect(new Set(secrets).size).toBe(1);
    expect(readdirSync(folder)).toEqual(["latchkey.secret"]);
  });

  it.each([0o640, 0o604, 0o660, 0o644, 0o666])(
    "that others can use (mode %o) is refused, with the command that mends it",
    async (mode) => {
      await createSecretFile(path);
      chmodSync(path, mode);
      await expect(readSecretFile(path)).rejects.toThrow(`chmod 600 '${path}'`);
    },
  );

  it.each([
    ["empty", ""],
    ["cut short", "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy"],
    ["longer", `${"q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM"}4CM`],
    ["binary", "\u0000\u0001\u0002"],
    ["two lines", "q8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM\nq8ZbF3vJw1nR6tYx0uKc5mLp2dHs9eGa7iTfVoXy4CM"],
    ["another file", "x".repeat(10_000)],
  ])("that is damaged (%s) is refused, is not repeated and is not replaced", async (_, text) => {
    writeFileSync(path, text, { mode: 0o600 });
    const refusal = await readSecretFile(path).catch((error: Error) => error.message);
    expect(refusal).toMatch(/is damaged\. Restore it from a backup/);
    if (text !== "") expect(refusal).not.toContain(text.slice(0, 20));
    await expect(createSecretFile(path)).rejects.toThrow(/is damaged/);
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  it("that is a directory is refused", async () => {
    mkdirSync(path);
    await expect(readSecretFile(path)).rejects.toThrow(/is not a file/);
  });

  it("may be a link to where secrets are kept", async () => {
    const kept = join(folder, "elsewhere");
    const secret = await createSecretFile(kept);
    symlinkSync(kept, path);
    expect(await readSecretFile(path)).toBe(secret);
  });

  it("that cannot be made leaves nothing behind and says what to do", async () => {
    const nowhere = join(folder, "missing", "latchkey.secret");
    await expect(createSecretFile(nowhere)).rejects.toThrow(/cannot be created \(ENOENT\)\. .*or set LATCHKEY_SECRET/);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("the first run without LATCHKEY_SECRET", () => {
  const user = (name: string) => ["user", "add", name, "--password-stdin"];
  const PASSWORD = "correct horse battery staple\n";

  it("keeps a secret beside the database, and the next run uses it", async () => {
    mkdirSync(join(folder, "data"));
    const environment = { LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "data/app.db")}` };
    const first = await latchkey(user("ada"), environment, PASSWORD);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    const file = join(folder, "data/latchkey.secret");
    const secret = readFileSync(file, "utf8");
    expect(modeOf(file)).toBe(0o600);
    expect(first.stdout).not.toContain(secret.trim());

    expect((await latchkey(user("bob"), environment, PASSWORD)).code).toBe(0);
    expect(readFileSync(file, "utf8")).toBe(secret);
  });

  it("by two processes at once leaves one secret, and both come up with it", async () => {
    const environment = { LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "app.db")}` };
    const results = await Promise.all(["ada", "bob"].map((name) => latchkey(user(name), environment, PASSWORD)));
    expect(results.map(({ stderr }) => stderr)).toEqual(["", ""]);
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
  });

  it("is never made in production", async () => {
    const environment = { LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "app.db")}`, NODE_ENV: "production" };
    const { code, stderr } = await latchkey(user("ada"), environment, PASSWORD);
    expect(code).toBe(1);
    expect(stderr).toMatch(/LATCHKEY_SECRET is required in production/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("after the secret was lost makes no new one: it says what is missing, and restoring the file mends it", async () => {
    const environment = { LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "app.db")}` };
    await latchkey(user("ada"), environment, PASSWORD);
    const kept = readFileSync(path);
    rmSync(path);

    const { code, stderr } = await latchkey(["user", "list"], environment);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /sealed under a root secret, but LATCHKEY_SECRET is not set and .*latchkey\.secret does not exist/,
    );
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(existsSync(path)).toBe(false);

    writeFileSync(path, kept, { mode: 0o600 });
    expect((await latchkey(["user", "list"], environment)).code).toBe(0);
  });

  it("with another secret than the one before is refused, and names the remedy", async () => {
    const environment = { LATCHKEY_DATABASE_URL: `sqlite:${join(folder, "app.db")}` };
    await latchkey(user("ada"), environment, PASSWORD);
    const { code, stderr } = await latchkey(["user", "list"], { ...environment, LATCHKEY_SECRET: createSecret() });
    expect(code).toBe(1);
    expect(stderr).toMatch(/LATCHKEY_SECRET/);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });
});
