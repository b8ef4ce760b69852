import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { routes } from "../../src/http/routes.ts";
import { methodOf } from "../support/route-table.ts";

it("docs/http.md names every route but the script of its own page", () => {
  const page = readFileSync(new URL("../../docs/http.md", import.meta.url), "utf8");
  const missing = routes.filter(({ path }) => !page.includes(path)).map((route) => `${methodOf(route)} ${route.path}`);
  expect(missing).toEqual(["GET /docs/openapi-explorer.js"]);
});
