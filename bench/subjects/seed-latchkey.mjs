// Fills a database for Latchkey's own server: as many users as sessions, one session each. Prints where it stands when done.
import { createIssuer } from "../../dist/index.js";
import { createSqliteStore } from "../../dist/store/sqlite.js";
import { SESSIONS, writeTokens } from "./subject.mjs";

const store = await createSqliteStore(String(process.env.BENCH_DATABASE));
const issuer = await createIssuer({
  issuer: "http://127.0.0.1:4000",
  secret: String(process.env.LATCHKEY_SECRET),
  store,
});
const at = Date.now();
const passwordHash =
  "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const pairs = await Promise.all(
  Array.from({ length: SESSIONS }, async (_, nth) => {
    const id = `00000000-0000-4000-8000-${String(nth).padStart(12, "0")}`;
    const username = `user-${nth}`;
    await store.createUser({
      id,
      username,
      canonicalUsername: username,
      passwordHash,
      roles: [],
      createdAt: at,
      updatedAt: at,
      disabledAt: null,
    });
    return issuer.issue({ subject: id });
  }),
);
writeTokens((nth) => pairs[nth]?.refreshToken ?? "");
await issuer.close();
