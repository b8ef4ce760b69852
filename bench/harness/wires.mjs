import { PASSWORD } from "../subjects/subject.mjs";

/**
 * How a subject is asked: the bytes of a request that presents a token, and the token that the answer gives for the next one.
 * @typedef {{ bytes(token: string): Buffer, next(body: string, token: string): string | undefined }} Wire
 * @typedef {"json" | "form" | "bearer" | "bearer-get" | "cookie-get" | "plain-get" | "login"} WireName
 *   for `login` the token is a username
 */

/**
 * @param {WireName} name
 * @param {string} path
 * @param {string} host with the port
 * @returns {Wire}
 */
export function createWire(name, path, host) {
  const post = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n`;
  const get = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n`;
  /** @type {Record<WireName, Wire>} */
  const wires = {
    json: {
      bytes: (token) => withBody(post, "application/json", `{"refresh_token":"${token}"}`),
      next: refreshTokenIn,
    },
    form: {
      bytes: (token) =>
        withBody(
          post,
          "application/x-www-form-urlencoded",
          `grant_type=refresh_token&client_id=bench&refresh_token=${token}`,
        ),
      next: refreshTokenIn,
    },
    bearer: {
      bytes: (token) => Buffer.from(`${post}Authorization: Bearer ${token}\r\nContent-Length: 0\r\n\r\n`),
      next: refreshTokenIn,
    },
    "bearer-get": {
      bytes: (token) => Buffer.from(`${get}Authorization: Bearer ${token}\r\n\r\n`),
      next: (_, token) => token,
    },
    "cookie-get": {
      bytes: (token) => Buffer.from(`${get}Cookie: ${token}\r\n\r\n`),
      next: (_, token) => token,
    },
    login: {
      bytes: (name) => withBody(post, "application/json", JSON.stringify({ username: name, password: PASSWORD })),
      next: (_, name) => name,
    },
    "plain-get": { bytes: () => Buffer.from(`${get}\r\n`), next: (_, token) => token },
  };
  return wires[name];
}

/**
 * @param {string} head
 * @param {string} contentType
 * @param {string} body
 */
function withBody(head, contentType, body) {
  return Buffer.from(`${head}Content-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
}

/** @param {string} body */
function refreshTokenIn(body) {
  const mark = '"refresh_token":';
  const at = body.indexOf(mark);
  if (at === -1) return undefined;
  const from = body.indexOf('"', at + mark.length) + 1;
  return body.slice(from, body.indexOf('"', from));
}
