import type { Random } from "./environment.ts";

/** What makes an id unguessable and nobody else's: 128 random bits. */
const ID_BYTES = 16;

/** Random bytes as base64url, 16 unless another number is asked for. */
export function randomId(random: Random, bytes = ID_BYTES): string {
  return Buffer.from(random.bytes(bytes)).toString("base64url");
}
