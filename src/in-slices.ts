/** How many items are processed before the event loop continues: one or two milliseconds' work. */
const SLICE = 200;

/** Lets the event loop continue. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Passes on what may be very many items in slices, so that no slice blocks the event loop for long. */
export async function inSlices<Item>(
  items: readonly Item[],
  act: (slice: readonly Item[]) => void | Promise<void>,
): Promise<void> {
  for (let from = 0; from < items.length; from += SLICE) {
    if (from > 0) await pause();
    await act(items.slice(from, from + SLICE));
  }
}
