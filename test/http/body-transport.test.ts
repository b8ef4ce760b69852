import { describe, expect, it } from "vitest";
import { onEveryRoute, setUp } from "./refusals.ts";
import { CANARY, contentTypeOf, encode, nameOf, routesWithBody, sendRaw, shapedBody } from "./route-table.ts";

const LIMIT_BYTES = 64 * 1024;

describe("a body of the wrong content type, on every route that takes one", () => {
  it("SECURITY 86: is 415 when the type is unknown, another's, in odd case, or of another charset", async () => {
    await onEveryRoute(async (bed, route) => {
      const text = encode(route, shapedBody(route));
      const type = contentTypeOf(route);
      const [json, form] = ["application/json", "application/x-www-form-urlencoded"];
      for (const refused of [
        type === json ? form : json,
        "text/plain",
        "text/plain; charset=utf-8",
        `text/plain, ${type}`,
        `${type}, text/plain`,
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        type.toUpperCase(),
        type.replace("application", "Application"),
        type.replace("json", "JSON").replace("form", "Form"),
        `${type}; charset=utf-16`,
        `${type}; charset=iso-8859-1`,
        `${type}; charset=utf-8; boundary=x`,
        `${type}; charset=`,
        `${type};`,
        `${type}x`,
        `x${type}`,
        "application/json-seq",
        "application/vnd.api+json",
        "text/json",
        "*/*",
        "application/*",
        CANARY,
        "",
      ]) {
        const answer = await bed.send(route, text, { "content-type": refused });
        expect(bed.refused(answer, 415, route, refused)).toContain(`'${type}'`);
      }
    });
  });

  it("is 415 when there is a body but no type, whether its length is announced or not", async () => {
    await onEveryRoute(async (bed, route) => {
      const bytes = new TextEncoder().encode(encode(route, shapedBody(route)));
      for (const headers of [
        {},
        { "content-length": String(bytes.length) },
        { host: "127.0.0.1:4000", "content-length": String(bytes.length) },
        { host: "127.0.0.1:4000", "transfer-encoding": "chunked" },
      ]) {
        for (const body of [bytes, streamOf([bytes]).stream]) {
          const answer = await sendRaw(bed, route, body, { ...bed.credentials(route), ...headers });
          bed.refused(answer, 415, route, JSON.stringify(headers));
        }
      }
    });
  });

  it("is 415 when it is compressed", async () => {
    await onEveryRoute(async (bed, route) => {
      const text = encode(route, shapedBody(route));
      for (const encoding of ["gzip", "GZIP", "deflate", "br", "zstd", "x-gzip", "identity, gzip", CANARY]) {
        const answer = await bed.send(route, text, { "content-encoding": encoding });
        expect(bed.refused(answer, 415, route, encoding)).toMatch(/compressed/i);
      }
    });
  });

  it("is taken with charset=utf-8 in any spelling, and with the content encoding that is none", async () => {
    await onEveryRoute(async (bed, route) => {
      const text = encode(route, shapedBody(route));
      const plain = await bed.send(route, text);
      expect([400, 413, 415]).not.toContain(plain.body?.error === "unsupported_grant_type" ? 0 : plain.status);
      for (const headers of [
        ...["; charset=utf-8", ";charset=utf-8", "; charset=UTF-8", '; charset="utf-8"', " ; Charset=Utf-8 "].map(
          (parameter) => ({ "content-type": contentTypeOf(route) + parameter }),
        ),
        { "content-encoding": "identity" },
      ]) {
        const answer = await bed.send(route, text, headers);
        expect([nameOf(route), answer.status, answer.text]).toEqual([nameOf(route), plain.status, plain.text]);
      }
    });
  });
});

describe("a body's size, on every route that takes one", () => {
  it("may be 64 KiB exactly, counted in bytes; one more is 413", async () => {
    await onEveryRoute(async (bed, route) => {
      const text = encode(route, shapedBody(route));
      const plain = await bed.send(route, text);
      const filler = route.body.format === "json" ? " " : "&";
      const full = text + filler.repeat(LIMIT_BYTES - text.length);
      for (const announced of [true, false]) {
        const length = (body: string): Record<string, string> =>
          announced ? { "content-length": String(Buffer.byteLength(body)) } : {};
        const taken = await bed.send(route, full, length(full));
        expect([nameOf(route), taken.status, taken.text]).toEqual([nameOf(route), plain.status, plain.text]);
      }
    });
    await onEveryRoute(async (bed, route) => {
      const tooLong = "x".repeat(LIMIT_BYTES + 1);
      const tooManyBytes = "é".repeat(LIMIT_BYTES / 2 + 1);
      for (const body of [tooLong, tooManyBytes]) {
        for (const headers of [{}, { "content-length": String(Buffer.byteLength(body)) }]) {
          bed.refused(await bed.send(route, body, headers), 413, route);
        }
      }
    });
  });

  it("is held to when it comes in chunks, however many, and no more is read than shows that it is too long", async () => {
    await onEveryRoute(async (bed, route) => {
      for (const headers of [
        {},
        { "transfer-encoding": "chunked" },
        { "transfer-encoding": "chunked", "content-length": "10" },
      ]) {
        const endless = streamOf(undefined);
        bed.refused(await bed.send(route, endless.stream, headers), 413, route);
        expect(endless.pulled()).toBeLessThan(70);
        expect(endless.wasCancelled()).toBe(true);
      }
    });
  });

  it("is held to when Content-Length lies", async () => {
    await onEveryRoute(async (bed, route) => {
      const large = "x".repeat(LIMIT_BYTES + 1);
      for (const declared of ["0", "10", String(LIMIT_BYTES), "-1", "1e1", "0x10", "abc", "", "10, 10"]) {
        bed.refused(await bed.send(route, large, { "content-length": declared }), 413, route, declared);
      }
      const small = encode(route, shapedBody(route));
      for (const declared of [String(LIMIT_BYTES + 1), "99999999999999999999", "1e9", "Infinity"]) {
        bed.refused(await bed.send(route, small, { "content-length": declared }), 413, route, declared);
      }
    });
  });
});

describe("a body that does not come whole", () => {
  it("is 400 and the client's fault, which nobody is told of as an error of ours", async () => {
    const errors: unknown[] = [];
    const bed = await setUp({ onError: (error) => errors.push(error) });
    for (const route of routesWithBody) {
      const text = encode(route, shapedBody(route));
      const broken = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode(text.slice(0, 5))),
        pull: () => Promise.reject(new Error("the connection was closed")),
      });
      expect(bed.refused(await bed.send(route, broken), 400, route)).toContain("did not arrive whole");
    }
    expect(errors).toEqual([]);
  });

  it("is 500 and told to the operator when the application has read it before us", async () => {
    const errors: unknown[] = [];
    const bed = await setUp({ onError: (error) => errors.push(error) });
    const request = new Request("http://127.0.0.1:4000/auth/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: "ada", password: CANARY }),
    });
    await request.text();
    const response = await bed.handler.fetch(request);
    expect([response.status, await response.json()]).toEqual([
      500,
      { error: "internal_error", error_description: expect.any(String) },
    ]);
    expect(errors).toEqual([expect.any(TypeError)]);
  });
});

/** A stream of these chunks; without any, of 1 KiB chunks that never end. */
function streamOf(chunks: readonly Uint8Array[] | undefined) {
  let pulled = 0;
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks === undefined ? new Uint8Array(1024).fill(0x20) : chunks[pulled];
      pulled++;
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
    cancel() {
      cancelled = true;
    },
  });
  return { stream, pulled: () => pulled, wasCancelled: () => cancelled };
}
