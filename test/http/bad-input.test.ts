import { describe, expect, it } from "vitest";
import {
  CANARY,
  encode,
  fieldsOf,
  isRequired,
  jsonValues,
  nameOf,
  routesWithBody,
  sendRaw,
  shapedBody,
} from "../support/route-table.ts";
import { PASSWORD } from "../support/test-bed.ts";
import { onEveryRoute, setUp } from "./refusals.ts";

const LIMIT_BYTES = 64 * 1024;
const jsonRoutes = routesWithBody.filter(({ body }) => body.format === "json");
const formRoutes = routesWithBody.filter(({ body }) => body.format === "form");

describe("a body of the wrong shape, on every route that takes one", () => {
  it("is 400 when it is not JSON", async () => {
    const bed = await setUp();
    const texts = [
      "{",
      `{"${CANARY}`,
      `{'a': '${CANARY}'}`,
      `{"a": "${CANARY}",}`,
      `${CANARY}`,
      "undefined",
      "NaN",
      `{"a":"${CANARY}"}{"b":1}`,
      `{"a":"${CANARY}\n"}`,
      `a=${CANARY}`,
      "\u0000",
      " ",
    ];
    for (const route of jsonRoutes) {
      for (const text of texts) {
        const wrong = text.trim() === "" ? "The body is empty." : "The body is not valid JSON.";
        expect(bed.refused(await bed.send(route, text), 400, route, text)).toBe(wrong);
      }
    }
  });

  it("is 400 when the bytes are not UTF-8, since two passwords could become the same one", async () => {
    await onEveryRoute(async (bed, route) => {
      const text = Buffer.from(encode(route, shapedBody(route)));
      for (const bytes of [
        Buffer.concat([text.subarray(0, -3), Buffer.from([0xff]), text.subarray(-3)]),
        Buffer.concat([Buffer.from([0xc3]), text]),
        Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text.toString(), "utf16le")]),
      ]) {
        for (const headers of [{}, { "content-length": String(bytes.length) }]) {
          const answer = await bed.send(route, new Uint8Array(bytes), headers);
          expect(bed.refused(answer, 400, route)).toContain("The body is not valid UTF-8.");
        }
      }
    });
  });

  it("is 400 when it is an array, null, a number, a text or a boolean", async () => {
    const bed = await setUp();
    for (const route of jsonRoutes) {
      for (const value of [[], [shapedBody(route)], null, 0, 42, CANARY, "", true, false]) {
        const description = bed.refused(await bed.send(route, JSON.stringify(value)), 400, route);
        expect(description).toMatch(/^The body: expected object/);
      }
    }
  });

  it("is 400 when any field is of another JSON type, and names it", async () => {
    const bed = await setUp();
    let tried = 0;
    for (const route of jsonRoutes) {
      for (const [name, field] of Object.entries(fieldsOf(route))) {
        for (const value of jsonValues.filter((value) => !field.safeParse(value).success)) {
          const answer = await bed.send(route, JSON.stringify({ ...shapedBody(route), [name]: value }));
          expect(bed.refused(answer, 400, route, name)).toContain(`'${name}'`);
          tried++;
        }
      }
    }
    expect(tried).toBeGreaterThan(100);
  });

  it("is 400 when a required field is missing, null or empty, and names it", async () => {
    await onEveryRoute(async (bed, route) => {
      for (const [field, rule] of Object.entries(fieldsOf(route))) {
        if (!isRequired(rule)) continue;
        const { [field]: _, ...others } = shapedBody(route);
        // Where the body is optional, {} is none.
        if (route.body.optional && Object.keys(others).length === 0) continue;
        const description = bed.refused(await bed.send(route, encode(route, others)), 400, route, field);
        expect(description).toContain(`'${field}' is required.`);
        // In a form, a parameter without a value counts as left out (RFC 6749 section 3.1).
        if (route.body.format === "form" || !rule.safeParse("").success) {
          const empty = await bed.send(route, encode(route, { ...others, [field]: "" }));
          expect(bed.refused(empty, 400, route, field)).toContain(`'${field}'`);
        }
      }
    });
  });

  it("is 400 when JSON holds an unknown field, names it, and names the one that was meant", async () => {
    const bed = await setUp();
    for (const route of jsonRoutes) {
      for (const extra of ["role", "userId", "emailVerified", "is_admin", "constructor", "toString", "__proto__"]) {
        const text = `${JSON.stringify(shapedBody(route)).slice(0, -1)},"${extra}":"${CANARY}"}`.replace("{,", "{");
        expect(bed.refused(await bed.send(route, text), 400, route)).toContain(
          `'${extra}' is not a field of this endpoint.`,
        );
      }
      for (const field of Object.keys(fieldsOf(route))) {
        const misspelt = JSON.stringify({ ...shapedBody(route), [`${field}x`]: CANARY });
        expect(bed.refused(await bed.send(route, misspelt), 400, route)).toContain(`Did you mean '${field}'?`);
      }
    }
  });

  it("never repeats a field's name that may itself be a secret, nor compares an endless one with others", async () => {
    const bed = await setUp();
    for (const route of jsonRoutes) {
      for (const secret of [
        `lkr_${CANARY.repeat(6)}`,
        `${CANARY} `,
        `<${CANARY}>`,
        CANARY.repeat(3000),
        `\n${CANARY}`,
      ]) {
        const fields = { ...shapedBody(route), [secret]: 1 };
        const description = bed.refused(await bed.send(route, JSON.stringify(fields)), 400, route);
        expect(description).toBe("A name that is not shown here is not a field of this endpoint.");
      }
    }
  });

  it("stays short however many fields are wrong", async () => {
    const bed = await setUp();
    const many = Object.fromEntries(Array.from({ length: 1500 }, (_, at) => [`field_${at}`, CANARY]));
    for (const route of jsonRoutes) {
      const description = bed.refused(await bed.send(route, JSON.stringify(many)), 400, route);
      expect(description.length).toBeLessThan(800);
    }
  });

  it("changes no prototype through __proto__, constructor or prototype, in JSON or form", async () => {
    await onEveryRoute(async (bed, route) => {
      const text = encode(route, shapedBody(route));
      const bodies =
        route.body.format === "json"
          ? [
              `{"__proto__":${text}}`,
              `{"__proto__":{"polluted":"${CANARY}"}}`,
              `{"constructor":{"prototype":{"polluted":"${CANARY}"}}}`,
            ]
          : [`__proto__=${CANARY}`, `__proto__[polluted]=${CANARY}`, `constructor.prototype.polluted=${CANARY}`];
      for (const body of bodies) {
        bed.refused(await bed.send(route, body), 400, route, body);
        expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
      }
    });
  });

  it("is 400 when the name of a device could break a line or cannot be stored, though the password is right", async () => {
    const bed = await setUp();
    const login = jsonRoutes.find((route) => nameOf(route) === "POST /auth/login")!;
    for (const device of [
      "a\nb",
      "\0",
      "\u001b[31m",
      "\u007f",
      "\u0085",
      "\u2028",
      "\u2029",
      "\ud800",
      "a\udfff",
      "x".repeat(129),
    ]) {
      const answer = await bed.send(login, JSON.stringify({ username: "ada", password: PASSWORD, device }));
      expect(bed.refused(answer, 400, login, JSON.stringify(device))).toContain("'device'");
    }
    const fine = { username: "ada", password: PASSWORD, device: "Адин 👩‍💻 телефон" };
    expect((await bed.send(login, JSON.stringify(fine))).status).toBe(200);
  });

  it("is 400 when it is nested as deep as 64 KiB go", async () => {
    const bed = await setUp();
    const half = LIMIT_BYTES / 2;
    for (const route of jsonRoutes) {
      const inside = "[".repeat(20_000) + "]".repeat(20_000);
      const field = Object.keys(fieldsOf(route))[0]!;
      for (const text of [
        "[".repeat(LIMIT_BYTES),
        "[".repeat(half) + "]".repeat(half),
        '{"a":'.repeat(LIMIT_BYTES / 5),
        `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`,
        `{"${field}":${inside}}`,
      ]) {
        bed.refused(await bed.send(route, text), 400, route, text.slice(0, 20));
      }
    }
  });

  it("is 400 when a form parameter stands twice, and names it (RFC 6749 section 3.1)", async () => {
    const bed = await setUp();
    for (const route of formRoutes) {
      for (const name of [...Object.keys(fieldsOf(route)), "unknown_parameter", "__proto__"]) {
        const text = `${encode(route, shapedBody(route))}&${name}=${CANARY}&${name}=${CANARY}2`;
        expect(bed.refused(await bed.send(route, text), 400, route, name)).toContain(`'${name}'`);
      }
      const secret = `${CANARY.repeat(4)}=1&${CANARY.repeat(4)}=2`;
      expect(bed.refused(await bed.send(route, secret), 400, route)).toContain("not shown here");
    }
  });

  it("is 400 when it is empty though announced, where the route needs one", async () => {
    await onEveryRoute(async (bed, route) => {
      if (route.body.optional) return;
      for (const headers of [{}, { "content-length": "0" }]) {
        bed.refused(await bed.send(route, "", headers), 400, route);
        bed.refused(await bed.send(route, undefined, headers), 400, route);
      }
    });
  });

  it("is no body at all where the route can do without", async () => {
    const bed = await setUp();
    const optional = routesWithBody.filter(({ body }) => body.optional);
    expect(optional.map(nameOf)).toEqual(["POST /auth/refresh", "POST /auth/logout"]);
    for (const route of optional) {
      const none = await sendRaw(bed, route, undefined, {});
      for (const empty of [
        await sendRaw(bed, route, undefined, { "content-length": "0" }),
        await sendRaw(bed, route, "", {}),
        await bed.send(route, ""),
        await bed.send(route, "{}"),
        await bed.send(route, "", { "content-type": "text/plain;charset=UTF-8" }),
        await sendRaw(bed, route, new ReadableStream({ start: (controller) => controller.close() }), {}),
      ]) {
        expect([empty.status, empty.text]).toEqual([none.status, none.text]);
      }
    }
  });
});
