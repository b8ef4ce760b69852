import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fingerprintOf, sources } from "./build-fingerprint.mjs";
import { npm, packageCommand, runQuietly } from "./programs.mjs";
import { root } from "./root.mjs";

const WORKSPACES = ["", "packages/verify"];

// All that a package is packed from, and what judges it, whose versions package-lock.json fixes.
const packedFrom = [
  ...sources,
  ...["README.md", "CHANGELOG.md", "LICENSE", "scripts/package-check.mjs"],
  ...["package.json", "README.md", "LICENSE"].map((name) => `packages/verify/${name}`),
];
const passedFile = join(root, ".cache/package-check");

/** Packs what would be published, and lets both judges of packages look at exactly that; once for what has not changed. */
export async function checkPackages() {
  const fingerprint = fingerprintOf(packedFrom);
  if (readIfThere(passedFile) === fingerprint) return { passed: true, output: "Unchanged since this last passed.\n" };
  const found = await Promise.all(WORKSPACES.map(checkPackage));
  if (found.every(({ passed }) => passed)) {
    mkdirSync(join(root, ".cache"), { recursive: true });
    writeFileSync(passedFile, fingerprint);
  }
  return { passed: found.every(({ passed }) => passed), output: found.map(({ output }) => output).join("") };
}

/** @param {string} file */
function readIfThere(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** @param {string} workspace */
async function checkPackage(workspace) {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-pack-"));
  const which = workspace === "" ? [] : ["--workspace", workspace];
  try {
    const packing = await runQuietly(npm(["pack", ...which, "--ignore-scripts", "--pack-destination", folder]));
    if (packing.code !== 0) return { passed: false, output: packing.output };
    const packed = join(folder, ...readdirSync(folder));
    const judged = await Promise.all([
      runQuietly(packageCommand("publint", ["run", "--strict", packed])),
      runQuietly(packageCommand("@arethetypeswrong/cli", [packed, "--profile", "esm-only", "--no-emoji"], "attw")),
    ]);
    const refused = judged.filter(({ code }) => code !== 0);
    return { passed: refused.length === 0, output: refused.map(({ output }) => output).join("") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
