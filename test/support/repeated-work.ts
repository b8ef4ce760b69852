import { onTestFinished, vi } from "vitest";

/**
 * Until the test ends, nothing happens that an issuer repeats by a timer, if it was created after this call: it hears what other
 * processes have done only where it asks the store. Otherwise it depends on the moment whether it has heard yet.
 */
export function holdRepeatedWork(): void {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
}
