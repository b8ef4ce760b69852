import express from "express";
import { expect, it } from "vitest";
import { latchkey } from "../../src/adapters/express.ts";
import { createTestBed } from "../harness.ts";
import { serve } from "./contract.ts";

const DEPTH = 25_000;
const nested = "[".repeat(DEPTH) + "]".repeat(DEPTH);

it.each([
  ["a field", `{"refresh_token":${nested}}`],
  ["a field of another name", `{"refresh_token":"x","more":${nested}}`],
  ["the whole body", nested],
])("JSON that is nested deeply as %s is refused alike, read by us or by the framework", async (_, body) => {
  const { handler } = await createTestBed();
  const app = express();
  app.use(express.json({ limit: "1mb" }), latchkey(handler));
  const headers = { "content-type": "application/json" };
  const answers = [
    await fetch(`${await serve(app)}/auth/refresh`, { method: "POST", headers, body }),
    await handler.fetch(new Request("http://127.0.0.1:4000/auth/refresh", { method: "POST", headers, body })),
  ];
  const [behindExpress, alone] = await Promise.all(answers.map(async (one) => [one.status, await one.json()]));
  expect(behindExpress).toEqual(alone);
  expect(alone).toMatchObject([400, { error: "invalid_request" }]);
});
