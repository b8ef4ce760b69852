import { createRequire } from "node:module";

const manifest = createRequire(import.meta.url)("../../package.json") as {
  readonly version: string;
  readonly engines: { readonly node: string };
};

/** The version of this package. */
export const PACKAGE_VERSION = manifest.version;

/** The oldest Node that it runs on, as in `20.19`. */
export const OLDEST_NODE = manifest.engines.node.replace(">=", "");
