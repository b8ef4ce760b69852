// npm run build: compiles src/ into dist/ and puts the script of the API reference page beside it.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fingerprintFile, sourceFingerprint } from "./build-fingerprint.mjs";
import { packageCommand } from "./programs.mjs";
import { root } from "./root.mjs";

const fingerprint = sourceFingerprint();
rmSync(join(root, "dist"), { recursive: true, force: true });
compile();
copyApiReference();
makeCommandsExecutable();
writeFileSync(join(root, fingerprintFile), fingerprint);

function compile() {
  const { file, args } = packageCommand("typescript", ["-p", "tsconfig.build.json"], "tsc");
  const { status } = spawnSync(file, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

/** The page at /docs loads nothing from another host, so the one script it needs is part of the build, with its licence. */
function copyApiReference() {
  const from = fileURLToPath(new URL(".", import.meta.resolve("openapi-explorer/package.json")));
  const to = join(root, "dist/http/assets");
  mkdirSync(to, { recursive: true });
  copyFileSync(join(from, "dist/browser/openapi-explorer.min.js"), join(to, "openapi-explorer.min.js"));
  copyFileSync(join(from, "LICENSE"), join(to, "openapi-explorer.LICENSE.txt"));
}

function makeCommandsExecutable() {
  const { bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const file of Object.values(bin)) {
    const path = join(root, file);
    if (!readFileSync(path, "utf8").startsWith("#!/usr/bin/env node\n")) {
      process.stderr.write(`${file} must begin with '#!/usr/bin/env node'.\n`);
      process.exit(1);
    }
    chmodSync(path, 0o755);
  }
}
