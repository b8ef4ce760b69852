import { isLatchkeyError, type LatchkeyError } from "../../errors.ts";
import type { Emit, LoginFailure, RequestContext } from "../events.ts";

/** Runs the verification of a password, and emits `login.failed` if it is refused. */
export async function reportingFailures<Result>(
  emit: Emit,
  context: RequestContext,
  attempt: () => Promise<Result>,
): Promise<Result> {
  try {
    return await attempt();
  } catch (error) {
    const reason = loginFailure(error);
    if (reason !== undefined)
      emit({ type: "login.failed", reason, subject: (error as LatchkeyError).subject ?? null }, context);
    throw error;
  }
}

function loginFailure(error: unknown): LoginFailure | undefined {
  if (!isLatchkeyError(error)) return undefined;
  const { code, detail } = error;
  if (code === "too_many_requests" || code === "server_busy" || code === "wrong_password") return code;
  if (detail === "unknown_user" || detail === "user_disabled") return detail;
  return code === "invalid_credentials" ? "wrong_password" : undefined;
}
