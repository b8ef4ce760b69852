import type { Store } from "../../src/store/store.ts";

/** Where a store keeps its data. Every `open` is a connection of its own, as another process would have, to the same data. */
export interface StorePlace {
  open(): Promise<Store>;
  /** Removes the data. Every store opened here has been closed before. */
  remove(): Promise<void>;
}

/** Opens a store at the place of the test that is running; it is closed when the test ends. */
export type OpenStore = () => Promise<Store>;
