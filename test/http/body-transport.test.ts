import { describe, expect, it } from "vitest";
import { CANARY, contentTypeOf, encode, nameOf, routesWithBody, sendRaw, shapedBody } from "../support/route-table.ts";
import { onEveryRoute, setUp } from "./refusals.ts";

const LIMIT_BYTES = 64 * 1024;

describe("a body of the wrong content type, on every route that takes one", () => {
  it("SECURITY 86: is 415 when the type is unknown, another's, no type by its grammar, or of another charset", async () => {
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
        `${type}; charset=utf-16`,
        `${type}; charset=iso-8859-1`,
        `${type}; charset=utf-8; charset=iso-8859-1`,
        `${type}; charset="utf-8`,
        `${type}; charset='utf-8'`,
        `${type}; charset = utf-8`,
        `${type}; charset`,
        `${type}; charset=`,
        `${type} charset=utf-8`,
        type.replace("/", " / "),
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

  it("is taken in any case, with parameters as RFC 9110 section 8.3.1 writes them, and with the content encoding that is none", async () => {
    const parameters = [
      "; charset=utf-8",
      ";charset=utf-8",
      "; charset=UTF-8",
      '; charset="utf-8"',
      '; charset="u\\tf-8"',
      " ; Charset=Utf-8 ",
      ";",
      ";;; ;",
      "; charset=utf-8;",
      "; charset=utf8",
      "; charset=us-ascii",
      "; charset=utf-8; odata=verbose",
      "; odata.metadata=none; charset=utf-8; IEEE754Compatible=true",
      '; profile="https://example.com/a;b, c"; charset=utf-8',
      "; charset=utf-8; charset=UTF-8",
      "\t;\tcharset=utf-8",
    ];
    const spellings = [
      ...parameters.map((text) => (type: string) => ({ "content-type": type + text })),
      (type: string) => ({ "content-type": type.toUpperCase() }),
      (type: string) => ({ "content-type": type.replace("application", "Application").replace("json", "JSON") }),
      () => ({ "content-encoding": "identity" }),
    ];
    // Few enough at a time for no account to be throttled.
    for (let at = 0; at < spellings.length; at += 8) {
      await onEveryRoute(async (bed, route) => {
        const text = encode(route, shapedBody(route));
        const plain = await bed.send(route, text);
        expect([400, 413, 415]).not.toContain(plain.body?.error === "unsupported_grant_type" ? 0 : plain.status);
        for (const spelled of spellings.slice(at, at + 8)) {
          const headers = spelled(contentTypeOf(route));
          const { status, text: answer } = await bed.send(route, text, headers);
          expect([nameOf(route), headers, status, answer]).toEqual([nameOf(route), headers, plain.status, plain.text]);
        }
      });
    }
  });

  it("is 415 soon where the type is as long as a header may be and matches nowhere", async () => {
    const bed = await setUp();
    const [route] = routesWithBody;
    for (const filler of [" ", "; ", ";  ", '; a="', ";a=b", '\\"', "\t;\t "]) {
      const type = `${contentTypeOf(route!)}${filler.repeat(12_000 / filler.length)}(`;
      expect((await bed.send(route!, "{}", { "content-type": type })).status).toBe(415);
    }
  });

  it("is 400 where it says ASCII and is not, since only one of the two can be meant", async () => {
    await onEveryRoute(async (bed, route) => {
      const fields = { ...shapedBody(route), [Object.keys(shapedBody(route))[0] ?? "access_token"]: "é" };
      const bytes = new TextEncoder().encode(route.body.format === "json" ? JSON.stringify(fields) : "é=1");
      for (const charset of ["us-ascii", "US-ASCII", "ascii"]) {
        const answer = await bed.send(route, bytes, { "content-type": `${contentTypeOf(route)}; charset=${charset}` });
        expect(bed.refused(answer, 400, route, charset)).toContain("says ASCII, but the body is not");
      }
    });
  });

  it("may begin with a byte order mark, as JSON of Windows programs does", async () => {
    await onEveryRoute(async (bed, route) => {
      const text = encode(route, shapedBody(route));
      const plain = await bed.send(route, text);
      const marked = await bed.send(route, `\u{FEFF}${text}`);
      expect([nameOf(route), marked.status, marked.text]).toEqual([nameOf(route), plain.status, plain.text]);
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
      expect(bed.refused(await bed.send(route, broken), 400, route)).toContain("body is incomplete");
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
