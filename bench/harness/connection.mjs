import { connect } from "node:net";

/**
 * One keep-alive HTTP/1.1 connection that does no more than a load generator needs: it writes bytes that are ready and reads
 * answers with a Content-Length or in chunks. One request at a time.
 * @typedef {{ request(bytes: Buffer): Promise<Answer>, close(): void }} Connection
 * @typedef {{ readonly status: number, readonly body: string }} Answer
 */

const HEAD_END = "\r\n\r\n";

/**
 * @param {string} host
 * @param {number} port
 * @returns {Promise<Connection>}
 */
export function openConnection(host, port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    let received = "";
    /** @type {{ resolve(answer: Answer): void, reject(error: Error): void } | undefined} */
    let waiting;

    /** @param {Error} error */
    function fail(error) {
      reject(error);
      waiting?.reject(error);
      waiting = undefined;
    }
    socket.setEncoding("latin1");
    socket.on("data", (/** @type {string} */ text) => {
      received += text;
      const answer = readAnswer(received);
      if (answer === undefined || waiting === undefined) return;
      received = "";
      const { resolve: answered } = waiting;
      waiting = undefined;
      answered(answer);
    });
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("the connection was closed")));
    socket.on("connect", () =>
      resolve({
        request(bytes) {
          return new Promise((onAnswer, onError) => {
            if (socket.destroyed) {
              onError(new Error("the connection was closed"));
              return;
            }
            waiting = { resolve: onAnswer, reject: onError };
            socket.write(bytes);
          });
        },
        close: () => socket.destroy(),
      }),
    );
  });
}

/**
 * The answer that the text begins with, or `undefined` while it has not come whole.
 * @param {string} text
 * @returns {Answer | undefined}
 */
function readAnswer(text) {
  const headEnd = text.indexOf(HEAD_END);
  if (headEnd === -1) return undefined;
  const status = Number(text.slice(9, 12));
  const head = text.slice(0, headEnd).toLowerCase();
  const body = text.slice(headEnd + HEAD_END.length);
  const lengthAt = head.indexOf("\r\ncontent-length:");
  if (lengthAt !== -1) {
    const length = Number.parseInt(head.slice(lengthAt + 17), 10);
    return body.length < length ? undefined : { status, body };
  }
  if (head.includes("\r\ntransfer-encoding: chunked")) {
    return body.endsWith("0\r\n\r\n") ? { status, body } : undefined;
  }
  return { status, body: "" };
}
