// npm run build, and what npm pack runs first: type-checks src/ and compiles it with its declarations, for both packages.
import { requireNode } from "./node-version.mjs";

requireNode();
const { preparePackages, runBuild } = await import("./prepare.mjs");

await preparePackages("everything");
await runBuild("checked");
