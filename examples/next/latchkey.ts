// The one issuer, and what asks it. Everything is made when the first request comes, never while `next build` runs.
import { createGuard, createHandler, createIssuer } from "latchkey";
import { shared } from "latchkey/next";
import { createSqliteStore } from "latchkey/sqlite";

const opened = shared("app", async () => {
  const issuer = await createIssuer({
    issuer: `http://127.0.0.1:${process.env.PORT ?? 4000}`,
    secret: process.env.LATCHKEY_SECRET!, // npx --no latchkey secret
    store: await createSqliteStore("app.db"),
  });
  return {
    issuer,
    handler: createHandler(issuer),
    signedIn: createGuard(issuer),
    editors: createGuard(issuer, { role: "editor" }),
    visitors: createGuard(issuer, { optional: true }),
  };
});

export const issuer = async () => (await opened()).issuer;
export const handler = async () => (await opened()).handler;
export const signedIn = async () => (await opened()).signedIn;
export const editors = async () => (await opened()).editors;
export const visitors = async () => (await opened()).visitors;
