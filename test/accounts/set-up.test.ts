import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Libsql from "libsql";
import { expect, it, onTestFinished } from "vitest";
import { createIssuer } from "../../src/issuer.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite.ts";

const PASSWORD = "correct horse battery staple";

async function world() {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-set-up-"));
  const file = join(folder, "latchkey.db");
  const issuer = await createIssuer({
    issuer: "http://127.0.0.1:4000",
    secret: "a root secret of this test, 32 bytes or more",
    store: await createSqliteStore(file),
  });
  const database = new Libsql(file);
  onTestFinished(async () => {
    database.close();
    await issuer.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { issuer, database };
}

it.each([
  ["demoted", "UPDATE users SET roles = '[]'"],
  ["deleted", "DELETE FROM users"],
])(
  "a set-up link that was used does not work again after its administrator was %s by hand; a new one does",
  async (_, sql) => {
    const { issuer, database } = await world();
    const used = (await issuer.users.inviteFirstAdmin())!;
    await issuer.users.setUp({ setupToken: used, username: "ada", password: PASSWORD });
    database.exec(sql);
    const again = issuer.users.setUp({ setupToken: used, username: "eve", password: PASSWORD });
    await expect(again).rejects.toMatchObject({ code: "setup_closed" });
    await new Promise((resolve) => setTimeout(resolve, 2));
    const setupToken = (await issuer.users.inviteFirstAdmin())!;
    const admin = await issuer.users.setUp({ setupToken, username: "eve", password: PASSWORD });
    expect(admin.roles).toEqual(["admin"]);
  },
);

it("of ten uses of one set-up link at once, one creates the administrator", async () => {
  const { issuer } = await world();
  const setupToken = (await issuer.users.inviteFirstAdmin())!;
  const results = await Promise.allSettled(
    Array.from({ length: 10 }, (_, nth) => issuer.users.setUp({ setupToken, username: `a${nth}`, password: PASSWORD })),
  );
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});

it("the last administrator is neither demoted nor disabled, and the error says what to do first", async () => {
  const { issuer } = await world();
  for (const username of ["ada", "eve"]) await issuer.users.create({ username, password: PASSWORD, roles: ["admin"] });
  await issuer.users.disable("eve");
  const remedy = {
    code: "last_administrator",
    status: 409,
    description: expect.stringContaining("another user the role"),
  };
  await expect(issuer.users.disable("ada")).rejects.toMatchObject(remedy);
  await expect(issuer.users.setRoles("ada", ["ops"])).rejects.toMatchObject(remedy);
  await issuer.users.enable("eve");
  expect((await issuer.users.setRoles("ada", ["ops"])).roles).toEqual(["ops"]);
});
