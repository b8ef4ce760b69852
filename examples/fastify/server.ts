// Fastify: a policy that is asked about the resource, a schema beside a guard, and a route that wants a fresh sign-in.
import fastify from "fastify";
import { createGuard, createHandler, createIssuer } from "latchkey";
import { type Guarded, guarded, latchkey } from "latchkey/fastify";
import { createSqliteStore } from "latchkey/sqlite";

const port = Number(process.env.PORT ?? 4000);
const issuer = await createIssuer({
  issuer: `http://127.0.0.1:${port}`,
  secret: process.env.LATCHKEY_SECRET!, // npx --no latchkey secret
  store: await createSqliteStore("app.db"),
});

const signedIn = createGuard(issuer);
const editors = createGuard(issuer, { role: "editor" });
const fresh = createGuard(issuer, { freshForSeconds: 300 });
const owners = createGuard(issuer, {
  policy: ({ auth, resource }) => (resource === auth.sub || auth.roles.includes("editor") ? "allow" : "deny"),
});

const app = fastify();
app.register(latchkey(createHandler(issuer)));

app.get("/orders", guarded(signedIn), async (request) => ({ of: request.auth.sub }));

app.get("/reports", guarded(editors), async (request) => ({ by: request.auth.sub }));

interface OfCustomer {
  Params: { customer: string };
}
const customer = { resource: ({ params }: { params: unknown }) => (params as OfCustomer["Params"]).customer };
app.get<OfCustomer, Guarded>("/orders/:customer", guarded(owners, customer), async (request) => ({
  of: request.params.customer,
  for: request.auth.sub,
}));

const body = { type: "object", required: ["iban"], properties: { iban: { type: "string" } } } as const;
app.post("/payout", { ...guarded(fresh), schema: { body } }, async (request, reply) =>
  reply.code(202).send({ to: request.auth.sub }),
);

await app.listen({ port, host: "127.0.0.1" });
