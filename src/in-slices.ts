/** What is done before the event loop goes on: a millisecond's work or two, for what is done to each of many. */
const SLICE = 200;

/** Lets the event loop go on. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Hands over what may be very many a slice at a time, so that the event loop is held up by none of them for long. */
export async function inSlices<Item>(
  items: readonly Item[],
  act: (slice: readonly Item[]) => void | Promise<void>,
): Promise<void> {
  for (let from = 0; from < items.length; from += SLICE) {
    if (from > 0) await pause();
    await act(items.slice(from, from + SLICE));
  }
}
