import { describe, expect, it } from "vitest";
import { readPostgresUrl } from "../../src/store/postgres/connection/url.ts";
import { createPostgresStore } from "../../src/store/postgres/postgres.ts";

function target(url: string) {
  const reading = readPostgresUrl(url);
  if ("problem" in reading) expect.fail(reading.problem);
  return reading.target;
}

describe("the URL of a PostgreSQL database", () => {
  it("gives user, password, hosts and database, and a description without the password", () => {
    const read = target(
      "postgresql://ada:a%2F%40%3Ab%25@db-1.example:5433,[::1],db-2.example/latch%20key?sslmode=disable",
    );
    expect(read).toMatchObject({
      user: "ada",
      password: "a/@:b%",
      database: "latch key",
      hosts: [
        { host: "db-1.example", port: 5433 },
        { host: "::1", port: 5432 },
        { host: "db-2.example", port: 5432 },
      ],
      tls: null,
    });
    expect(read.description).toBe("postgres://ada@db-1.example:5433,[::1]:5432,db-2.example:5432/latch%20key");
  });

  it("may name a directory of sockets", () => {
    for (const url of ["postgres://ada@%2Frun%2Fpostgresql/x", "postgres://ada@/x?host=/run/postgresql"]) {
      expect(target(url)).toMatchObject({ hosts: [{ host: "/run/postgresql", port: 5432 }], tls: null });
    }
  });

  it("asks for a verified certificate unless the server is on this machine, or sslmode says otherwise", () => {
    for (const host of ["127.0.0.1", "localhost", "[::1]"]) expect(target(`postgres://a:b@${host}/x`).tls).toBeNull();
    for (const host of ["db.example", "10.0.0.1", "127.0.0.1,db.example"]) {
      expect(target(`postgres://a:b@${host}/x`).tls).toMatchObject({ mode: "verify-full" });
    }
    expect(target("postgres://a:b@db/x?sslmode=disable").tls).toBeNull();
    expect(target("postgres://a:b@db/x?sslmode=require").tls).toMatchObject({ mode: "require" });
    expect(target("postgres://a:b@db/x?sslmode=require&sslrootcert=ca.pem").tls).toMatchObject({ mode: "verify-ca" });
    expect(target("postgres://a:b@127.0.0.1/x?sslmode=verify-full").tls).toMatchObject({ mode: "verify-full" });
  });

  it.each([
    ["mysql://ada:canary@db/x", /must be postgres/],
    ["postgres://ada:canary@db", /names no database/],
    ["postgres://db/x", /names no user/],
    ["postgres://ada:canary@/x", /names no valid host/],
    ["postgres://ada:canary@db:0/x", /names no valid host and port/],
    ["postgres://ada:canary@db:99999/x", /names no valid host and port/],
    ["postgres://ada:can/ary@db/x", /percent-encoded/],
    ["postgres://ada:can%ary@db/x", /% that does not begin an escape/],
    ["postgres://ada:canary@db/x?sslmode=prefer", /fall back to plain text/],
    ["postgres://ada:canary@db/x?sslmode=verify-ca", /needs sslrootcert/],
    ["postgres://ada:canary@db/x?sslcert=a.pem", /one of sslcert and sslkey/],
    ["postgres://ada:canary@db/x?canary=1", /has an unknown parameter/],
    ["postgres://ada:canary@db/x?sslmode=disable&sslmode=require", /twice/],
    ["postgres://ada:canary@db/x?target_session_attrs=any", /primary/],
    ["postgres://ada:canary@d b/x", /must be postgres/],
  ])("refuses %s and repeats no password", async (url, expected) => {
    const reading = readPostgresUrl(url);
    expect("problem" in reading && reading.problem).toMatch(expected);
    expect(JSON.stringify(reading)).not.toContain("canary");
    await expect(createPostgresStore(url)).rejects.toThrow(TypeError);
  });

  it("is refused, as is an option, where it is misspelt or out of range", async () => {
    const url = "postgres://a:b@127.0.0.1/x";
    const misspelt: object = { maxConnection: 5 };
    await expect(createPostgresStore(url, misspelt)).rejects.toThrow(/Unknown option 'maxConnection'/);
    await expect(createPostgresStore(url, { maxConnections: 0 })).rejects.toThrow(/maxConnections/);
    await expect(createPostgresStore(url, { statementTimeoutSeconds: 0.5 })).rejects.toThrow(/statementTimeoutSeconds/);
  });
});

describe("channel_binding", () => {
  const read = (query: string) => readPostgresUrl(`postgres://ada:secret@db.example.com/latchkey${query}`);

  it.each([
    ["", true],
    ["?channel_binding=prefer", true],
    ["?channel_binding=disable", false],
    ["?sslmode=require&channel_binding=prefer", true],
  ])("of '%s' is used: %s", (query, expected) => {
    expect(read(query)).toMatchObject({ target: { channelBinding: expected } });
  });

  it("is refused with the reason as require, which would not be held to, and as anything that libpq does not know", () => {
    expect(read("?channel_binding=require")).toEqual({
      problem: expect.stringMatching(/channel_binding=require.*driver.*channel_binding=prefer.*sslmode=verify-full/),
    });
    for (const value of ["", "Require", "off", "true", "1", "disable%20"]) {
      expect(read(`?channel_binding=${value}`)).toEqual({ problem: expect.stringContaining("channel_binding") });
    }
  });
});
