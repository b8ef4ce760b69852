import { afterEach } from "vitest";
import { runAfterTest } from "./after-each.ts";

// vitest evaluates this file again for every file of tests.
afterEach(runAfterTest);
