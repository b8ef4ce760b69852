import type { Engine } from "./engine.ts";
import { LatchkeyError } from "./errors.ts";
import type { SubjectState } from "./options.ts";

/** The state of the application's own subjects, from its `subjects` option. A source that fails is the store being away. */
export async function subjectStates(
  { options }: Pick<Engine, "options">,
  subjects: readonly string[],
): Promise<ReadonlyMap<string, SubjectState>> {
  try {
    return await options.subjects!(subjects);
  } catch (cause) {
    throw new LatchkeyError("store_unavailable", {
      detail: "The 'subjects' option threw.",
      cause,
      retryAfterSeconds: 1,
    });
  }
}
