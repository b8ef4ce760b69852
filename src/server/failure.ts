import { isLatchkeyError } from "../errors.ts";

/** Something that the operator can put right. The message is for them in full: the cause and the remedy. */
export class OperatorError extends Error {
  override readonly name = "OperatorError";
}

/** What to tell the operator of an error that ended a command: one message, no stack, nothing secret. */
export function explainFailure(error: unknown): string {
  if (isLatchkeyError(error)) {
    if (error.code === "password_rejected") return `The password was refused. ${error.description}`;
    return error.status >= 500 ? (error.detail ?? error.description) : error.description;
  }
  if (error instanceof OperatorError || error instanceof TypeError) return error.message;
  return `Unexpected error: ${error instanceof Error ? error.message : String(error)}`;
}

/** The code of a system error, such as `EACCES`. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : undefined;
}
