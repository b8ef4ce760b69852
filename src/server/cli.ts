#!/usr/bin/env node
import { runCommand } from "./command-line.ts";
import { processTerminal } from "./terminal.ts";

// Whoever reads the output may stop early, as `head` does; there is nobody left to tell then.
process.stdout.on("error", () => process.exit(1));
const exitCode = await runCommand(process.argv.slice(2), processTerminal());
if (exitCode !== 0) process.exitCode = exitCode;
