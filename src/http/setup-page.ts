import { createHash } from "node:crypto";

const style = `
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5; }
body { max-width: 26rem; margin: 10vh auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
label { display: block; margin-top: 1rem; }
input { box-sizing: border-box; width: 100%; padding: .5rem; font: inherit; }
button { margin-top: 1.5rem; padding: .6rem 1.2rem; font: inherit; cursor: pointer; }
output { display: block; margin-top: 1rem; min-height: 3em; }
output[data-state="failed"] { color: #b00020; }
@media (prefers-color-scheme: dark) { output[data-state="failed"] { color: #ff8a80; } }
`;

const script = `
const form = document.querySelector("form");
const result = document.querySelector("output");
const setupToken = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
function say(text, state) { result.textContent = text; result.dataset.state = state; }
if (setupToken === "") {
  say("This page needs the link that the server printed when it started.", "failed");
  form.querySelector("button").disabled = true;
}
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  say("Creating …", "busy");
  try {
    const { username, password } = Object.fromEntries(new FormData(form));
    const response = await fetch("/auth/setup", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ setup_token: setupToken, username, password }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error_description);
    form.hidden = true;
    say("Done. " + answer.username + " is an administrator now. This link works no more.", "done");
  } catch (error) {
    say(error.message, "failed");
    button.disabled = false;
  }
});
`;

const sourceHash = (source: string) => `'sha256-${createHash("sha256").update(source).digest("base64")}'`;

/** The page's own style and script are let in by their hashes, and nothing else is. */
export const setupPagePolicy = `default-src 'none'; connect-src 'self'; style-src ${sourceHash(style)}; script-src ${sourceHash(script)}`;

/** A form for the first administrator's name and password. The script empties the address bar of the token at once. */
export const setupPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Latchkey: the first administrator</title>
<style>${style}</style>
</head>
<body>
<h1>The first administrator</h1>
<p>Nobody administers this Latchkey yet. Choose a username and a password of 15 characters or more; a short sentence does well.</p>
<form>
<label>Username <input name="username" autocomplete="username" autocapitalize="none" required></label>
<label>Password <input name="password" type="password" autocomplete="new-password" required></label>
<button>Create</button>
</form>
<output aria-live="polite"></output>
<script>${script}</script>
</body>
</html>
`;
