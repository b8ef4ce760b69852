import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createPostgresStore } from "../../src/store/postgres/postgres.ts";
import { type DebianProgram, PACKAGE_TEST_TIMEOUT_MS, requireProgram } from "../support/debian-package.ts";
import { startPostgres } from "../support/postgres.ts";

const openssl: DebianProgram = {
  debianPackage: "openssl",
  path: "/usr/bin/openssl",
  variable: "LATCHKEY_TEST_OPENSSL",
};

describe("TLS to PostgreSQL", () => {
  it("is refused where the certificate is not trusted or is another host's, and said so; asked for, it is used", {
    timeout: PACKAGE_TEST_TIMEOUT_MS,
  }, async (test) => {
    const folder = mkdtempSync(join(tmpdir(), "latchkey-tls-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
    const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
    const given = [
      ...request.split(" "),
      "-addext",
      "subjectAltName=DNS:localhost",
      "-keyout",
      key,
      "-out",
      certificate,
    ];
    const { status, stderr } = spawnSync(requireProgram(test, openssl), given, { encoding: "utf8" });
    expect(status, stderr).toBe(0);
    chmodSync(folder, 0o755);
    chmodSync(certificate, 0o644);
    chmodSync(key, 0o600);
    // The server's user when we are root.
    if (process.getuid?.() === 0) chownSync(key, 65_534, 65_534);
    const server = await startPostgres({ settings: { ssl: "on", ssl_cert_file: certificate, ssl_key_file: key } });
    onTestFinished(() => server.remove());

    const byAddress = server.url("postgres");
    const byName = byAddress.replace("127.0.0.1", "localhost");
    const encrypted = async (url: string) => {
      const store = await createPostgresStore(url);
      const rows = await server.sql(
        `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'latchkey'`,
      );
      await store.close();
      return rows.map(({ ssl }) => ssl);
    };
    expect(await encrypted(byAddress)).toEqual([false]);
    expect(await encrypted(`${byAddress}?sslmode=require`)).toEqual([true]);
    expect(await encrypted(`${byName}?sslmode=verify-full&sslrootcert=${certificate}`)).toEqual([true]);
    expect(await encrypted(`${byAddress}?sslmode=verify-ca&sslrootcert=${certificate}`)).toEqual([true]);
    for (const url of [
      `${byName}?sslmode=verify-full`,
      `${byAddress}?sslmode=verify-full&sslrootcert=${certificate}`,
    ]) {
      await expect(createPostgresStore(url)).rejects.toMatchObject({
        code: "store_unusable",
        detail: expect.stringMatching(/TLS certificate.*not trusted.*sslrootcert/),
      });
    }
    await expect(createPostgresStore(`${byName}?sslmode=verify-ca&sslrootcert=${folder}/none`)).rejects.toMatchObject({
      code: "store_unusable",
      detail: expect.stringMatching(/cannot be read \(ENOENT\)/),
    });
  });
});
