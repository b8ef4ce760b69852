import { expect, it } from "vitest";
import { createTestBed } from "../support/test-bed.ts";

it("the script of /docs is sent once to a client that keeps it, by its ETag", async () => {
  const bed = await createTestBed();
  const first = await bed.call("GET", "/docs/openapi-explorer.js");
  const etag = first.headers.get("etag")!;
  expect(etag).toMatch(/^"[\w-]{43}"$/);
  expect(first.text.length).toBeGreaterThan(100_000);
  for (const known of [etag, `W/${etag}`, `"another", ${etag}`, "*"]) {
    const again = await bed.call("GET", "/docs/openapi-explorer.js", { headers: { "if-none-match": known } });
    expect([again.status, again.text, again.headers.get("etag")]).toEqual([304, "", etag]);
    expect(again.headers.get("cache-control")).toBe(first.headers.get("cache-control"));
  }
  const other = await bed.call("GET", "/docs/openapi-explorer.js", { headers: { "if-none-match": '"another"' } });
  expect([other.status, other.text]).toEqual([200, first.text]);
});
