import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import type { TestContext } from "vitest";
import { notPossible } from "./places.ts";

/** How long a test may take that may have to install a package first. */
export const PACKAGE_TEST_TIMEOUT_MS = 300_000;

/** A program that Debian has and npm has not. */
export interface DebianProgram {
  readonly debianPackage: string;
  /** Where the package puts it. */
  readonly path: string;
  /** The environment variable that names another one. */
  readonly variable: string;
}

// Others may install at this moment too, such as the system's own upgrades: apt waits for dpkg's lock only, not for those of its
// lists and of its downloads, and lists may be replaced between the two commands. So both are tried again, a few times.
// Packages of servers start them as they are installed, unless this file says no (Debian policy, section 9.3.3.1).
const INSTALL = `
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
for try in 1 2 3 4 5 6; do
  if apt-get update -o DPkg::Lock::Timeout=60 &&
    apt-get install -y --no-upgrade --no-install-recommends -o DPkg::Lock::Timeout=60 "$1"; then exit 0; fi
  if [ "$try" -lt 6 ]; then sleep 8; fi
done
exit 1
`;

// Other test files may install at the same time, and the first to end would take the policy file away from the rest. Any
// folder that is always there will do; the locks of apt and dpkg are of another kind.
const LOCK = "/var/lib/dpkg";

const problems = new Map<string, string | undefined>();

/**
 * The path of a program, which is installed where it is missing and we are root: without starting anything. Elsewhere the
 * test is skipped with the reason, which in CI is a failure.
 */
export function requireProgram(test: TestContext, program: DebianProgram): string {
  const path = process.env[program.variable] ?? program.path;
  if (!problems.has(path)) {
    const problem = isProgram(path) ? undefined : install(program, path);
    // The reporter keeps the reasons of skipped tests to itself.
    if (problem !== undefined) console.warn(`No test with ${program.debianPackage}, because ${problem}.`);
    problems.set(path, problem);
  }
  const problem = problems.get(path);
  return problem === undefined ? path : notPossible(test, problem);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Installs a package as root, one at a time on this machine. Gives the reason where that failed. */
export function installPackage(debianPackage: string): string | undefined {
  const { status, stderr, error } = spawnSync(
    "/usr/bin/flock",
    ["-w", "280", LOCK, "sh", "-c", INSTALL, "sh", debianPackage],
    {
      encoding: "utf8",
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    },
  );
  if (status === 0) return undefined;
  return `apt-get could not install ${debianPackage}: ${error?.message ?? stderr.trim().split("\n").at(-1)}`;
}

/** Gives the reason where the program is still not there afterwards. */
function install({ debianPackage, path, variable }: DebianProgram, wanted: string): string | undefined {
  const remedy = `Install it (apt-get install ${debianPackage}), or name another with ${variable}=/path/to/it`;
  if (wanted !== path) return `${variable} names ${wanted}, which is no program`;
  if (process.getuid?.() !== 0 || !isProgram("/usr/bin/apt-get") || !isProgram("/usr/bin/flock"))
    return `there is no ${path}. ${remedy}`;
  const problem = installPackage(debianPackage);
  if (problem !== undefined) return `${problem}. ${remedy}`;
  return isProgram(path) ? undefined : `apt-get installed ${debianPackage}, but not as ${path}`;
}
