import createClient from "openapi-fetch";
// What openapi-typescript makes of a running server's /openapi.json, just before this is compiled.
import type { paths } from "./.cache/latchkey.d.ts";

declare const process: { readonly argv: readonly string[] };

const [, , baseUrl, username, password] = process.argv as [string, string, string, string, string];
const api = createClient<paths>({ baseUrl });

const login = await api.POST("/auth/login", { body: { username, password, device: "Ada's laptop" } });
if (login.error !== undefined) throw new Error(login.error.error_description);
if (!("refresh_token" in login.data)) throw new Error("The tokens came as cookies.");
const first = login.data;

const refresh = await api.POST("/auth/refresh", { body: { refresh_token: first.refresh_token } });
if (refresh.data === undefined || !("refresh_token" in refresh.data)) throw new Error(refresh.error?.error);
const second = refresh.data;

const headers = { authorization: `Bearer ${second.access_token}` };
const list = await api.GET("/auth/sessions", { headers });
const session = list.data?.sessions[0];
// What cannot be known may be null, and nothing else may.
const device: string | null | undefined = session?.device;
const createdAt: string | undefined = session?.created_at;

const end = await api.DELETE("/auth/sessions/{id}", { params: { path: { id: second.session_id } }, headers });
const late = await api.GET("/auth/sessions", { headers });

// @ts-expect-error A route that is not there.
void (() => api.GET("/auth/nothing"));
// @ts-expect-error A field that is missing.
void (() => api.POST("/auth/login", { body: { username } }));
// @ts-expect-error The way of the tokens is one of two.
void (() => api.POST("/auth/login", { body: { username, password, transport: "header" } }));

console.log(
  JSON.stringify({
    isSameSession: first.session_id === second.session_id,
    isNewPair: first.refresh_token !== second.refresh_token && first.access_token !== second.access_token,
    expiresInSeconds: second.expires_in,
    device,
    createdAt,
    isCurrent: session?.current,
    ended: end.response.status,
    late: late.error?.error,
  }),
);
