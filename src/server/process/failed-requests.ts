import { isLatchkeyError } from "../../errors.ts";
import type { Logger } from "./logger.ts";

/**
 * An outage is one line for each request that it fails: where it comes from is known, and no stack says more. Only what should
 * not have happened is logged with its places.
 */
export function logFailedRequest(logger: Pick<Logger, "error">, error: unknown, requestId: string): void {
  if (isLatchkeyError(error) && error.code !== "internal_error") {
    const detail = oneLine(error.detail ?? error.description);
    logger.error({ requestId, code: error.code, detail }, "a request failed");
    return;
  }
  logger.error({ requestId, err: error }, "a request failed");
}

/** A database may say what is wrong in several lines. */
export function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, "; ");
}
