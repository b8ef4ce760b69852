#!/usr/bin/env node
import { runCommand } from "./command-line.ts";
import { processTerminal } from "./terminal.ts";

// The reader of the output may stop early, as `head` does; then there is nobody left to tell.
process.stdout.on("error", () => process.exit(1));
const exitCode = await runCommand(process.argv.slice(2), processTerminal());
if (exitCode !== 0) process.exitCode = exitCode;
