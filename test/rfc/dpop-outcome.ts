import { expect } from "vitest";
import { isLatchkeyError } from "../../src/errors.ts";

/** `good`, or what is said of a DPoP proof that is refused. */
export async function outcome(reading: Promise<unknown>): Promise<string> {
  try {
    await reading;
    return "good";
  } catch (error) {
    if (!isLatchkeyError(error)) throw error;
    if (error.code === "use_dpop_nonce") return error.code;
    expect([error.code, error.status]).toEqual(["invalid_dpop_proof", 401]);
    return error.description.replace("The DPoP proof is not valid. ", "");
  }
}
