import { LatchkeyError } from "../errors.ts";
import type { EngineParts } from "./engine.ts";
import { copyTexts } from "./given-details.ts";
import type { SubjectState } from "./options.ts";

/**
 * The state of the application's own subjects, from its `subjects` option, copied: later changes to the application's
 * objects must not reach a token. A source that fails, or whose roles are not a list of texts, counts as an unavailable
 * store.
 */
export async function subjectStates(
  { options }: Pick<EngineParts, "options">,
  subjects: readonly string[],
): Promise<ReadonlyMap<string, SubjectState>> {
  const states = await askedOf(() => options.subjects!(subjects));
  const copied = new Map<string, SubjectState>();
  for (const subject of subjects) {
    const state = states.get(subject);
    if (state == null) continue;
    const roles = copyTexts(state.roles);
    if (roles === undefined) throw failed("The 'subjects' option returned roles that are not a list of strings.");
    copied.set(subject, { roles });
  }
  return copied;
}

async function askedOf<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    throw failed("The 'subjects' option threw.", cause);
  }
}

function failed(detail: string, cause?: unknown): LatchkeyError {
  return new LatchkeyError("store_unavailable", { detail, cause, retryAfterSeconds: 1 });
}
