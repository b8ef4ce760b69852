import { expect } from "vitest";
import { CookieJar } from "./cookie-jar.ts";
import { type CallRequest, PASSWORD, type Reply, type TestBed } from "./test-bed.ts";

/** A person who has signed in with cookies. */
export interface SignedIn {
  readonly jar: CookieJar;
  /** The answer to the sign-in. */
  readonly answer: Reply;
}

/** Signs a person in with cookies over HTTP, and creates them first where there is none of the name. */
export async function signedIn(bed: TestBed, username = "ada"): Promise<SignedIn> {
  if ((await bed.store.findUserByUsername(username)) === null) {
    await bed.issuer.users.create({ username, password: PASSWORD, roles: [] });
  }
  const answer = await bed.call("POST", "/auth/login", { json: { username, password: PASSWORD, transport: "cookie" } });
  expect(answer.status, `the sign-in of ${username}`).toBe(200);
  return { jar: new CookieJar().take(answer.headers), answer };
}

/** A request by these cookies, with the proof that an unsafe method needs. */
export function withCsrf(jar: CookieJar): CallRequest & { readonly headers: Readonly<Record<string, string>> } {
  return { headers: { ...jar.header(), "x-csrf-token": jar.get("csrf") } };
}

/** Expects that an answer is this refusal, and says by `label` which of several it was if it is not. */
export function refused({ status, body }: Reply, expected: number, code: string, label = ""): void {
  expect({ status, error: body?.error }, label).toEqual({ status: expected, error: code });
}
