// Fills an empty database with sessions of as many people. The first person, an administrator, logs in through the issuer; the rest are
// copies of that row that the database itself makes, with ids and salts of their own. Refresh tokens are then derived from the
// root secret for sessions that lie spread over the whole table. Prints what it takes on disk as JSON.
import { writeFileSync } from "node:fs";
import { createIssuer } from "../../dist/index.js";
import { deriveRefreshToken } from "../../dist/secrets/refresh-token.js";
import { deriveRootKeys } from "../../dist/secrets/root-secret.js";
import { createPostgresStore } from "../../dist/store/postgres/postgres.js";
import { createSqliteStore } from "../../dist/store/sqlite/sqlite.js";
import { fillPostgres } from "../harness/fill-postgres.mjs";
import { fillSqlite } from "../harness/fill-sqlite.mjs";
import { PASSWORD, SESSIONS } from "./subject.mjs";

const database = String(process.env.BENCH_DATABASE);
const secret = String(process.env.LATCHKEY_SECRET);
const sampleSize = Math.min(SESSIONS, Number(process.env.BENCH_SAMPLE ?? SESSIONS));
const isPostgres = database.startsWith("postgres:");

const store = isPostgres ? await createPostgresStore(database) : await createSqliteStore(database);
const issuer = await createIssuer({ issuer: "http://127.0.0.1:4000", secret, store });
await issuer.users.create({ username: "user-0", password: PASSWORD, roles: ["admin"] });
const userAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
await issuer.login({ username: "user-0", password: PASSWORD }, { ip: "192.0.2.17", userAgent });
await issuer.close();

const { sample, bytes } = await (isPostgres ? fillPostgres : fillSqlite)(database, SESSIONS, sampleSize);
const { current } = deriveRootKeys(secret);
const tokens = sample.map(({ id, salt }) => deriveRefreshToken(current, { id: id.toString("base64url"), salt }, 1));
writeFileSync(String(process.env.BENCH_TOKENS), JSON.stringify(tokens));
process.stdout.write(`${JSON.stringify(bytes)}\n`);
