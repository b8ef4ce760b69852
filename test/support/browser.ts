import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, expect, onTestFinished, type TestContext } from "vitest";
import { installPackage } from "./debian-package.ts";
import { notPossible } from "./places.ts";

/** How long a test may take that may have to install the browser first. */
export const BROWSER_TEST_TIMEOUT_MS = 300_000;

const PATH = process.env.CHROMIUM ?? "/usr/bin/chromium";
// What Chromium would otherwise ask of other hosts on its own, and what it cannot do as root or without a graphics card.
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

let hasBeenTold = false;
let running: Promise<{ readonly context: BrowserContext; readonly profile: string }> | undefined;

afterAll(async () => {
  if (running === undefined) return;
  const { context, profile } = await running;
  await context.close();
  rmSync(profile, { recursive: true, force: true });
});

/** A page of a real Chromium, and what went wrong or went elsewhere in it. */
export interface WatchedPage {
  readonly page: Page;
  /** Console errors and warnings, uncaught exceptions, failed requests and violations of the content security policy. */
  readonly troubles: string[];
  /** The URL of every request. */
  readonly requests: string[];
  /** Expects that nothing went wrong, and that no host but this one was asked for anything. */
  expectClean(origin: string): void;
}

/**
 * Opens a page, closed after the test. Where there is no Chromium it is installed if this is CI and we are root; elsewhere the test is
 * skipped with the reason, which in CI is a failure.
 */
export async function openPage(test: TestContext): Promise<WatchedPage> {
  const problem = existsSync(PATH) ? undefined : install();
  if (problem !== undefined) {
    // The reporter keeps the reasons of skipped tests to itself.
    if (!hasBeenTold) console.warn(`No test in a browser, because ${problem}.`);
    hasBeenTold = true;
    notPossible(test, problem);
  }
  running ??= start();
  const page = await (await running).context.newPage();
  onTestFinished(() => page.close());
  const troubles: string[] = [];
  const requests: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) troubles.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => troubles.push(`uncaught: ${error.message}`));
  page.on("requestfailed", (request) => troubles.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on("request", (request) => requests.push(request.url()));
  await page.exposeFunction("reportViolation", (violation: string) => troubles.push(`policy: ${violation}`));
  await page.addInitScript(
    'addEventListener("securitypolicyviolation", (event) => reportViolation(event.violatedDirective + " " + event.blockedURI), true)',
  );
  return {
    page,
    troubles,
    requests,
    expectClean(origin) {
      expect(troubles).toEqual([]);
      expect(requests.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith("data:"))).toEqual([]);
    },
  };
}

async function start() {
  const profile = mkdtempSync(join(tmpdir(), "latchkey-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: PATH,
    args: ARGUMENTS,
    viewport: { width: 1280, height: 900 },
  });
  return { context, profile };
}

/** Gives the reason where there is still no Chromium afterwards. */
function install(): string | undefined {
  if (!process.env.CI || process.getuid?.() !== 0) {
    return `there is no Chromium at ${PATH}. Install it (apt-get install chromium), or name another with CHROMIUM=/path/to/it`;
  }
  const problem = installPackage("chromium");
  if (problem !== undefined) return problem;
  return existsSync(PATH) ? undefined : `apt-get installed Chromium, but not as ${PATH}`;
}
