import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { endpoint } from "../endpoint.ts";
import { pageIcon } from "../pages/page-icon.ts";
import * as schemas from "../schemas.ts";

// The script puts its own style elements into shadow roots, hence 'unsafe-inline' for styles; scripts come from here only.
const policy =
  "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; font-src 'self' data:";

// Addresses are relative, so that the page works under any host name and path that leads here.
const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Latchkey API</title>
${pageIcon}
<style>
html, body { margin: 0; height: 100%; }
openapi-explorer { --font-regular: system-ui, sans-serif; --font-mono: ui-monospace, monospace; }
.note { margin: 1.5rem 0; padding: .75rem 1rem; border-left: 4px solid #1f4e79; background: #f3f5f8; line-height: 1.5; }
</style>
</head>
<body>
<openapi-explorer spec-url="openapi.json" server-url="." hide-server-selection="true" hide-components="true"
  default-schema-tab="body" primary-color="#1f4e79" secondary-color="#1f4e79"
  nav-bg-color="#f3f5f8" nav-text-color="#414c5a" nav-hover-bg-color="#e2e8f0" nav-hover-text-color="#101820">
<p slot="overview-footer" class="note">To try it here, execute “Log in”, and put the access token of the answer under “Authentication”: it
goes with every request from then on, until the page is closed or loaded again. It is kept nowhere.</p>
</openapi-explorer>
<script type="module" src="docs/openapi-explorer.js"></script>
</body>
</html>
`;

// The build puts it there. From src/ and from dist/ the way is the same.
const scriptFile = new URL("../../../dist/http/assets/openapi-explorer.min.js", import.meta.url);

/** Read once: a copy for each answer was memory that anybody could take. */
let script: ReturnType<typeof readScript> | undefined;

async function readScript() {
  const source = await readFile(scriptFile);
  return { source, etag: `"${createHash("sha256").update(source).digest("base64url")}"` };
}

/** The API's description, and a page to read and try it. Everything comes from this package; no other host is asked. */
export const documentationEndpoints = [
  endpoint({
    method: "get",
    path: "/openapi.json",
    access: "public",
    tag: "Operation",
    summary: "This description (OpenAPI 3.1)",
    description: "Clients can be generated from it. It is built from the same table as the routes.",
    success: { status: 200, description: "The document.", schema: schemas.openApiDocument },
    handle: ({ openApi, respond }) => respond.cacheableJson(openApi(), 60),
  }),
  endpoint({
    method: "get",
    path: "/docs",
    access: "public",
    tag: "Operation",
    summary: "A page to read and try the API",
    description: "Loads nothing from any other host.",
    success: { status: 200, description: "The page.", contentType: "text/html", schema: schemas.text },
    handle: ({ respond }) => respond.page(page, policy),
  }),
  endpoint({
    method: "get",
    path: "/docs/openapi-explorer.js",
    access: "public",
    tag: "Operation",
    summary: "The script of that page",
    description: "Part of this package.",
    success: { status: 200, description: "The script.", contentType: "text/javascript", schema: schemas.text },
    notModified: true,
    async handle({ request, respond }) {
      script ??= readScript().catch((error) => {
        script = undefined;
        throw error;
      });
      const { source, etag } = await script;
      return respond.script(source, etag, request.headers.get("if-none-match"));
    },
  }),
];
