import { isLatchkeyError, LatchkeyError } from "../../errors.ts";

/** The largest body that any route accepts. */
export const BODY_LIMIT_BYTES = 64 * 1024;

/**
 * Reads a body whole, and at most the limit of a larger one, regardless of Content-Length.
 * @throws LatchkeyError `payload_too_large`, and `invalid_request` when the body broke off.
 * @throws TypeError when other code has read it before.
 */
export async function readBytes(request: Request): Promise<Uint8Array> {
  const declared = Number(request.headers.get("content-length") ?? Number.NaN);
  if (declared > BODY_LIMIT_BYTES) throw new LatchkeyError("payload_too_large");
  try {
    // Node's parser holds a body to its Content-Length, so this cannot grow past the limit; it avoids creating a
    // stream.
    if (Number.isInteger(declared) && !request.headers.has("transfer-encoding")) {
      return withinLimit(new Uint8Array(await request.arrayBuffer()));
    }
    return await readStream(request.body);
  } catch (error) {
    // A TypeError means that other code has read the body before, which is the application's mistake and not the
    // client's.
    if (isLatchkeyError(error) || error instanceof TypeError) throw error;
    throw new LatchkeyError("invalid_request", { description: "The body is incomplete.", cause: error });
  }
}

async function readStream(body: ReadableStream<Uint8Array> | null): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > BODY_LIMIT_BYTES) throw new LatchkeyError("payload_too_large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function withinLimit(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength > BODY_LIMIT_BYTES) throw new LatchkeyError("payload_too_large");
  return bytes;
}
