import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, onTestFinished, type TestContext } from "vitest";
import { listen } from "../../src/server/process/http-server.ts";
import { BROWSER_TEST_TIMEOUT_MS, openPage } from "../support/browser.ts";
import { createTestBed, PASSWORD, type TestBedOptions } from "../support/test-bed.ts";

const timeout = { timeout: BROWSER_TEST_TIMEOUT_MS };

beforeAll(() => {
  const script = fileURLToPath(new URL("../../dist/http/assets/openapi-explorer.min.js", import.meta.url));
  if (!existsSync(script)) throw new Error("The script of /docs is not there yet. 'npm run build' makes it.");
});

/** A server on a socket, and a page of a browser beside it. The issuer is another URL than the server's, as behind a proxy. */
async function setUp(test: TestContext, options: TestBedOptions = {}) {
  const watched = await openPage(test);
  const bed = await createTestBed(options);
  const server = await listen("127.0.0.1", 0, (error) => watched.troubles.push(`server: ${error}`));
  server.serve(bed.handler);
  onTestFinished(async () => {
    await server.stop(100);
  });
  return { ...watched, bed, origin: `http://127.0.0.1:${server.address.port}` };
}

describe("the API reference page in a browser", timeout, () => {
  it("shows every operation, asks no other host for anything, and violates no policy", async (test) => {
    const { page, bed, origin, expectClean } = await setUp(test);
    await page.goto(`${origin}/docs`);
    await page.getByText("Logging in returns a token pair.").waitFor();
    expect(await page.title()).toBe("Latchkey API");
    const { paths } = (await bed.call("GET", "/openapi.json")).body;
    const summaries = Object.values(paths as Record<string, Record<string, { summary: string }>>).flatMap((item) =>
      Object.values(item).map(({ summary }) => summary),
    );
    for (const summary of summaries) {
      await page.getByRole("link", { name: summary, exact: true }).first().waitFor();
    }
    await page.getByRole("link", { name: "Log in with username and password" }).click();
    await page.getByText("/auth/login").first().waitFor();
    expectClean(origin);
  });

  it("executes a request and shows the answer", async (test) => {
    const { page, origin, expectClean } = await setUp(test);
    await page.goto(`${origin}/docs#?route=get-/livez`);
    const answered = page.waitForResponse(`${origin}/livez`);
    await page.getByRole("button", { name: "Execute" }).click();
    expect((await answered).status()).toBe(200);
    await page.getByText('"status"').first().waitFor();
    expectClean(origin);
  });

  it("works under another host name than the issuer's", async (test) => {
    const { page, origin, expectClean } = await setUp(test);
    const other = origin.replace("127.0.0.1", "localhost");
    await page.goto(`${other}/docs#?route=get-/livez`);
    const answered = page.waitForResponse(`${other}/livez`);
    await page.getByRole("button", { name: "Execute" }).click();
    expect((await answered).status()).toBe(200);
    expectClean(other);
  });

  it("logs in, sends the access token with what asks for one, and keeps it nowhere", async (test) => {
    const { page, bed, origin, expectClean } = await setUp(test);
    await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
    await page.goto(`${origin}/docs#?route=post-/auth/login`);
    const login = page.waitForResponse(`${origin}/auth/login`);
    // The example is a good request as it stands.
    await page.getByRole("button", { name: "Execute" }).click();
    const answer = await login;
    expect(answer.status()).toBe(200);
    const { access_token: token } = await answer.json();

    await page.getByText("Authentication", { exact: true }).first().click();
    await page.getByPlaceholder("JWT").fill(token);
    await page.locator("tr", { hasText: "HTTP Bearer" }).getByRole("button", { name: "Set" }).click();
    await page.getByText("Key Applied", { exact: true }).waitFor();
    await page.getByRole("link", { name: "Who is signed in", exact: true }).click();
    const me = page.waitForResponse(`${origin}/auth/me`);
    await page.getByRole("button", { name: "Execute" }).click();
    expect((await (await me).json()).username).toBe("ada");
    expectClean(origin);

    expect(await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")).toBe(
      '[{},{},""]',
    );
    expect(await page.evaluate("indexedDB.databases().then((all) => all.length)")).toBe(0);
    expect(page.url()).not.toContain(token.slice(0, 10));
    await page.reload();
    await page.getByText("Authentication", { exact: true }).first().click();
    await page.getByPlaceholder("JWT").waitFor();
    expect(await page.getByPlaceholder("JWT").inputValue()).toBe("");
  });

  it("lets no script run but its own, wherever it comes from", async (test) => {
    const { page, troubles, origin } = await setUp(test);
    await page.goto(`${origin}/docs`);
    await page.getByText("Logging in returns a token pair.").waitFor();
    await page.evaluate(`
      const inline = document.createElement("script");
      inline.textContent = "window.ran = true";
      document.body.append(inline);
      const image = document.createElement("div");
      image.innerHTML = "<img src=x onerror='window.ran = true'>";
      document.body.append(image);
      const foreign = document.createElement("script");
      foreign.src = "https://evil.example.com/x.js";
      document.body.append(foreign);
      fetch("https://evil.example.com/").catch(() => {});
      undefined`);
    const violations = () => troubles.filter((trouble) => trouble.startsWith("policy: ")).sort();
    await expect
      .poll(violations)
      .toEqual([
        "policy: connect-src https://evil.example.com/",
        "policy: script-src-attr inline",
        "policy: script-src-elem https://evil.example.com/x.js",
        "policy: script-src-elem inline",
      ]);
    expect(await page.evaluate("window.ran")).toBeUndefined();
  });
});

/** Each would run if any page put it into its markup; together they break out of text, attributes, scripts and URLs. */
const HOSTILE = [
  `<img src=x onerror="window.ran = true">`,
  `"><svg onload="window.ran = true">`,
  `</script><script>window.ran = true</script>`,
  `javascript:window.ran=true//`,
];

describe("SECURITY 94: hostile text in a browser", timeout, () => {
  it("is shown as it stands by /docs, from every field that a person fills in, and from its own address", async (test) => {
    const { page, bed, origin, expectClean } = await setUp(test);
    const user = await bed.issuer.users.create({ username: "ada", password: PASSWORD, roles: [] });
    for (const text of HOSTILE) {
      await bed.issuer.issue({ subject: user.id, device: text }, { userAgent: text });
    }
    const { accessToken } = await bed.issuer.issue({ subject: user.id });
    for (const text of HOSTILE) {
      await page.goto(`${origin}/docs?${encodeURIComponent(text)}#?route=${encodeURIComponent(text)}`);
      await page.getByText("Logging in returns a token pair.").waitFor();
      await page.goto("about:blank");
    }
    await page.goto(`${origin}/docs#?route=get-/auth/sessions`);
    await page.getByText("Authentication", { exact: true }).first().click();
    await page.getByPlaceholder("JWT").fill(accessToken);
    await page.locator("tr", { hasText: "HTTP Bearer" }).getByRole("button", { name: "Set" }).click();
    await page.getByText("Key Applied", { exact: true }).waitFor();
    await page.getByRole("link", { name: "List one's sessions" }).click();
    await page.getByRole("button", { name: "Execute" }).click();
    await page.getByText("javascript:window.ran=true//").first().waitFor();
    await page.getByText("<img src=x onerror=").first().waitFor();
    expect(await page.evaluate("window.ran")).toBeUndefined();
    expectClean(origin);
  });

  it("is shown as it stands by the set-up page: from its link, and from whatever answers it", async (test) => {
    const { page, bed, origin, troubles } = await setUp(test);
    const token = (await bed.issuer.users.inviteFirstAdmin())!;
    for (const text of HOSTILE) {
      for (const [link, status, body] of [
        [text, 400, { error: text, error_description: text }],
        [token, 200, { id: text, username: text, roles: [text] }],
      ] as const) {
        await page.goto("about:blank");
        await page.goto(`${origin}/setup?${encodeURIComponent(text)}#${link}`);
        await page.getByLabel("Username").fill(text);
        await page.getByLabel("Password").fill(text);
        await page.route("**/auth/setup", (route) => route.fulfill({ status, json: body }));
        await page.getByRole("button").click();
        await page.getByRole("status").filter({ hasText: text }).waitFor();
        expect(await page.getByRole("status").locator("*").count()).toBe(0);
        await page.unroute("**/auth/setup");
      }
    }
    expect(await page.evaluate("window.ran")).toBeUndefined();
    // Chromium says of itself that an answer was a 400.
    expect(troubles.filter((trouble) => !trouble.endsWith("400 (Bad Request)"))).toEqual([]);
  });
});

describe("the set-up page in a browser", timeout, () => {
  it("makes the first administrator, and empties the address bar of the token at once", async (test) => {
    const { page, bed, origin, requests, expectClean } = await setUp(test);
    const token = (await bed.issuer.users.inviteFirstAdmin())!;
    await page.goto(`${origin}/setup#${token}`);
    expect(page.url()).toBe(`${origin}/setup`);
    await page.getByLabel("Username").fill("ada");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Create administrator" }).click();
    await page.getByText("ada is now an administrator. This link no longer works.").waitFor();
    expect(await page.getByRole("button").isVisible()).toBe(false);
    expect((await bed.store.findUserByUsername("ada"))?.roles).toEqual(["admin"]);
    await page.getByRole("link", { name: "See what the API offers" }).click();
    await page.waitForURL(`${origin}/docs**`);
    expectClean(origin);
    expect(requests.filter((url) => new URL(url).hash === "" && url.includes(token))).toEqual([]);
  });

  it("leaves the token in no entry of the browser's history", async (test) => {
    const { page, bed, origin } = await setUp(test);
    const token = (await bed.issuer.users.inviteFirstAdmin())!;
    await page.goto(`${origin}/setup#${token}`);
    await page.goto(`${origin}/livez`);
    await page.goBack();
    expect(page.url()).toBe(`${origin}/setup`);
    await page.getByText("This page requires the complete link").waitFor();
  });

  it("says what is wrong with a link, and with a password that is refused, and lets one try again", async (test) => {
    const { page, bed, origin } = await setUp(test, { passwordMinLength: 20 });
    await page.goto(`${origin}/setup`);
    await page.getByText("This page requires the complete link that the server printed when it started.").waitFor();
    expect(await page.getByRole("button").isDisabled()).toBe(true);

    const token = (await bed.issuer.users.inviteFirstAdmin())!;
    const attempt = async (link: string, password: string) => {
      await page.goto("about:blank");
      await page.goto(`${origin}/setup#${link}`);
      await page.getByText("a password of at least 20 characters").waitFor();
      await page.getByLabel("Username").fill("ada");
      await page.getByLabel("Password").fill(password);
      await page.getByRole("button").click();
    };
    await attempt(`${token.slice(0, -2)}${token.endsWith("AA") ? "BA" : "AA"}`, PASSWORD);
    await page.getByText("The set-up link is not valid, has expired, or has already been used.").waitFor();
    await attempt(token, "nineteen characters");
    await page.getByRole("status").filter({ hasText: "20" }).waitFor();
    expect(await bed.store.findUserByUsername("ada")).toBeNull();
    expect(await page.getByRole("button").isEnabled()).toBe(true);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button").click();
    await page.getByText("ada is now an administrator.").waitFor();
    await attempt(token, PASSWORD);
    await page.getByText("The set-up link is not valid, has expired, or has already been used.").waitFor();
  });

  it("says so when the server cannot be reached or something else answers, and lets one try again", async (test) => {
    const { page, bed, origin } = await setUp(test);
    const token = (await bed.issuer.users.inviteFirstAdmin())!;
    await page.goto(`${origin}/setup#${token}`);
    await page.getByLabel("Username").fill("ada");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.route("**/auth/setup", (route) => route.abort());
    await page.getByRole("button").click();
    await page.getByText("The server cannot be reached. Try again.").waitFor();
    await page.unroute("**/auth/setup");
    await page.route("**/auth/setup", (route) => route.fulfill({ status: 502, body: "<h1>Bad gateway</h1>" }));
    await page.getByRole("button").click();
    await page.getByText("The server answered with 502. Try again.").waitFor();
    await page.unroute("**/auth/setup");
    await page.getByRole("button").click();
    await page.getByText("ada is now an administrator.").waitFor();
  });
});
