import { createHash } from "node:crypto";
import { pageIcon } from "./page-icon.ts";

const style = `
:root { color-scheme: light dark; --accent: #1f4e79; --on-accent: #fff; --edge: #8a94a3; --wrong: #b00020; }
@media (prefers-color-scheme: dark) { :root { --accent: #9cc4ec; --on-accent: #10202f; --wrong: #ff8a80; } }
body { max-width: 26rem; margin: 10vh auto; padding: 0 1rem; font-family: system-ui, sans-serif; line-height: 1.5; }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; }
p { margin: 0; }
label { display: block; margin-top: 1.25rem; font-weight: 600; }
input { box-sizing: border-box; width: 100%; margin-top: .25rem; padding: .55rem .6rem; border: 1px solid var(--edge); border-radius: .3rem; font: inherit; font-weight: 400; }
button { margin-top: 1.5rem; padding: .6rem 1.2rem; border: 0; border-radius: .3rem; background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600; cursor: pointer; }
button:disabled { opacity: .5; cursor: default; }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
a { color: var(--accent); }
output, #after:not([hidden]) { display: block; margin-top: 1.25rem; }
output[data-state="failed"] { color: var(--wrong); }
`;

const script = `
const form = document.querySelector("form");
const button = form.querySelector("button");
const result = document.querySelector("output");
const setupToken = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

function say(text, state) {
  result.textContent = text;
  result.dataset.state = state;
}

async function create({ username, password }) {
  const response = await fetch("auth/setup", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ setup_token: setupToken, username, password }),
  }).catch(() => undefined);
  if (response === undefined) throw new Error("The server cannot be reached. Try again.");
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error_description ?? "The server answered with " + response.status + ". Try again.");
  return answer;
}

if (setupToken === "") {
  say("This page requires the complete link that the server printed when it started.", "failed");
  button.disabled = true;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  say("Creating …", "busy");
  try {
    const { username } = await create(Object.fromEntries(new FormData(form)));
    form.reset();
    document.querySelector("#before").hidden = true;
    document.querySelector("#after").hidden = false;
    say(username + " is now an administrator. This link no longer works.", "done");
  } catch (error) {
    say(error.message, "failed");
    button.disabled = false;
  }
});
`;

const sourceHash = (source: string) => `'sha256-${createHash("sha256").update(source).digest("base64")}'`;

/** The page's own style and script are let in by their hashes, its icon as data, and nothing else is. */
export const setupPagePolicy = `default-src 'none'; connect-src 'self'; img-src data:; style-src ${sourceHash(style)}; script-src ${sourceHash(script)}`;

/**
 * A form for the first administrator's name and password. The script empties the address bar of the token at once.
 * @param passwordMinLength in code points.
 */
export const setupPage = (passwordMinLength: number) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Latchkey: the first administrator</title>
${pageIcon}
<style>${style}</style>
</head>
<body>
<main>
<h1>The first administrator</h1>
<div id="before">
<p>This page creates the first administrator and works only while none exists. Choose a username, and a password of at least ${passwordMinLength} characters: a short sentence works well.</p>
<form>
<label>Username <input name="username" autocomplete="username" autocapitalize="none" spellcheck="false" required></label>
<label>Password <input name="password" type="password" autocomplete="new-password" required></label>
<button>Create administrator</button>
</form>
</div>
<output aria-live="polite"></output>
<p id="after" hidden><a href="docs">See what the API offers</a></p>
<noscript><p>This page requires JavaScript. Without it, run 'latchkey user add NAME --role admin' where the server runs.</p></noscript>
</main>
<script>${script}</script>
</body>
</html>
`;
