import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { installPackage, PACKAGE_TEST_TIMEOUT_MS } from "../support/debian-package.ts";
import { notPossible } from "../support/places.ts";

// apt locks by fcntl, which no command of the shell does.
const HOLD = `
import fcntl, time
lock = open("/var/lib/apt/lists/lock", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(6)
`;

it("a package is installed though another program holds apt's lists at first", {
  timeout: PACKAGE_TEST_TIMEOUT_MS,
}, async (test) => {
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) notPossible(test, "only root on Debian can try it");
  const holder = spawn("python3", ["-c", HOLD], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => holder.on("close", resolve));
  try {
    const line = await new Promise((resolve) => {
      holder.on("error", resolve);
      createInterface({ input: holder.stdout }).once("line", resolve);
    });
    if (line !== "held") notPossible(test, `there is no python3 to hold the lock with: ${line}`);
    // It is there already, so that nothing changes.
    expect(installPackage("util-linux")).toBe(undefined);
  } finally {
    holder.kill();
    await ended;
  }
});
