import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createProofKey, presented, proofBy } from "../support/dpop-proofs.ts";
import { createTestClock, ISSUER } from "../support/test-bed.ts";
import { afterwards, type ServedBed, serveBed } from "../support/verifiers.ts";
import { type Runtime, runtimes } from "./runtimes.ts";

const SCRIPT = fileURLToPath(new URL("./runtime-script.mjs", import.meta.url));
const algorithms = ["ES256", "EdDSA", "RS256", "PS256"] as const;
/** What proofs are signed with, beside the algorithms that access tokens are. */
const proofAlgorithms: Readonly<Record<string, string>> = {
  ES256: "ES256",
  EdDSA: "Ed25519",
  RS256: "ES384",
  PS256: "PS256",
};
const expected = {
  good: "good",
  forged: "invalid_access_token",
  garbage: "invalid_access_token",
  unproved: "invalid_access_token",
  bound: "good",
  replayed: "invalid_dpop_proof",
  before: "good",
  feed: "streaming",
  after: "session_revoked",
};

interface Line {
  readonly alg: (typeof algorithms)[number];
  readonly waiting?: true;
  readonly results?: typeof expected;
}

it("latchkey/verify does the same on this Node, Node 22 and 24, Bun and Deno: algorithms, bound tokens and the feed", async () => {
  const beds = new Map<string, ServedBed>();
  for (const signingAlg of algorithms)
    beds.set(signingAlg, await serveBed({ signingAlg }, createTestClock(Date.now())));
  const matrix: string[] = [];
  const failures: unknown[] = [];
  for (const runtime of runtimes()) {
    if ("missing" in runtime) {
      matrix.push(`${runtime.name.padEnd(32)} did not run: ${runtime.missing}`);
      continue;
    }
    const { results, code, errors } = await run(runtime, beds);
    const isRight = code === 0 && algorithms.every((alg) => JSON.stringify(results[alg]) === JSON.stringify(expected));
    matrix.push(
      `${runtime.name.padEnd(32)} ${isRight ? `passed: ${algorithms.join(", ")}, DPoP, revocation feed` : "FAILED"}`,
    );
    if (!isRight) failures.push({ runtime: runtime.name, results, code, errors });
  }
  console.log(`latchkey/verify by runtime:\n${matrix.map((line) => `  ${line}\n`).join("")}`);
  expect(failures).toEqual([]);
  expect(matrix[0]).toContain("passed");
}, 400_000);

/** Runs the script, and ends the session that it waits for when it says so. */
async function run(runtime: Runtime & { readonly command: readonly string[] }, beds: ReadonlyMap<string, ServedBed>) {
  const sessions = new Map<string, { readonly accessToken: string; readonly refreshToken: string }>();
  const subjects = [];
  for (const [alg, bed] of beds) {
    const session = await bed.issuer.issue({ subject: "ada" });
    sessions.set(alg, session);
    const { accessToken: feedToken } = await bed.issuer.issue({ subject: "billing", scope: "revocations:read" });
    const key = await createProofKey(proofAlgorithms[alg]);
    const dpop = presented(await proofBy(key, bed.clock));
    const { accessToken: bound } = await bed.issuer.issue({ subject: "ada", dpop });
    const path = "/orders";
    // The runtime's clock is the real one.
    const proof = await proofBy(key, createTestClock(Date.now()), { method: "GET", path, accessToken: bound });
    subjects.push({
      alg,
      bound,
      dpop: presented(proof, path, "GET"),
      issuer: ISSUER,
      url: bed.served.url,
      good: await bed.token(),
      feedToken,
      revoked: session.accessToken,
    });
  }
  const home = mkdtempSync(join(tmpdir(), "latchkey-runtime-"));
  afterwards(() => rmSync(home, { recursive: true, force: true }));
  const [file, ...args] = runtime.command;
  const child = spawn(file!, [...args, SCRIPT, JSON.stringify(subjects)], {
    env: { PATH: process.env.PATH, HOME: home, DENO_NO_UPDATE_CHECK: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  const ended = once(child, "close");
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += String(chunk);
  });
  const results: Partial<Record<string, typeof expected>> = {};
  for await (const text of createInterface({ input: child.stdout })) {
    const line: Line = JSON.parse(text);
    if (line.waiting) await beds.get(line.alg)!.issuer.logout(sessions.get(line.alg)!.refreshToken);
    if (line.results) results[line.alg] = line.results;
  }
  await ended;
  return { results, code: child.exitCode, errors };
}
