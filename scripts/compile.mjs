// Compiles src/ into dist/. The one argument says how much:
// javascript    what the server runs on, with the script of the API reference page; nothing is type-checked, so no types are needed
// declarations  the declarations to that, and @latchkey/verify from both; not type-checked either
// checked       all of it, and nothing where the compiler finds an error
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { apiReference } from "./api-reference.mjs";
import { declarationsFingerprintFile, fingerprintFile, sourceFingerprint } from "./build-fingerprint.mjs";
import { packageCommand } from "./programs.mjs";
import { root } from "./root.mjs";
import { buildVerifyPackage } from "./verify-package.mjs";

const kind = process.argv[2];
const fingerprint = sourceFingerprint();

if (kind === "declarations") {
  rmSync(join(root, declarationsFingerprintFile), { force: true });
  compile("--noCheck", "--emitDeclarationOnly");
  finishDeclarations();
} else {
  rmSync(join(root, "dist"), { recursive: true, force: true });
  if (kind === "checked") compile();
  else compile("--noCheck", "--declaration", "false", "--types", "");
  copyApiReference();
  makeCommandsExecutable();
  writeFileSync(join(root, fingerprintFile), fingerprint);
  if (kind === "checked") finishDeclarations();
}

/** @param {readonly string[]} options */
function compile(...options) {
  const { file, args } = packageCommand("typescript", ["-p", "tsconfig.build.json", ...options], "tsc");
  const { status } = spawnSync(file, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

function finishDeclarations() {
  buildVerifyPackage();
  writeFileSync(join(root, declarationsFingerprintFile), fingerprint);
}

/** The page at /docs loads nothing from another host, so the one script it needs is part of the build, with its licence. */
function copyApiReference() {
  const to = join(root, "dist/http/assets");
  const { script, licence } = apiReference();
  mkdirSync(to, { recursive: true });
  writeFileSync(join(to, "openapi-explorer.min.js"), script);
  writeFileSync(join(to, "openapi-explorer.LICENSE.txt"), licence);
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
