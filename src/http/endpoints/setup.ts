import { endpoint } from "../endpoint.ts";
import { setupPage, setupPagePolicy } from "../pages/setup-page.ts";
import * as schemas from "../schemas.ts";
import { userBody } from "./sign-in.ts";

/** The first administrator, through a single-use link that expires. */
export const setupEndpoints = [
  endpoint({
    method: "get",
    path: "/setup",
    access: "public",
    tag: "Administration",
    summary: "The page behind the set-up link",
    description: "The link's token is behind '#', so it reaches no server log.",
    success: { status: 200, description: "A form.", contentType: "text/html", schema: schemas.text },
    handle: ({ issuer, respond }) => respond.page(setupPage(issuer.options.passwordMinLength), setupPagePolicy),
  }),
  endpoint({
    method: "post",
    path: "/auth/setup",
    access: "credentials",
    tag: "Administration",
    summary: "Create the first administrator",
    description: "Requires the token of the set-up link. It works once, and only while no administrator exists.",
    body: { format: "json", schema: schemas.setup },
    success: { status: 201, description: "The new administrator. The link no longer works.", schema: schemas.user },
    errors: ["setup_closed", "username_taken", "invalid_username", "password_rejected", "server_busy"],
    async handle({ issuer, respond, body, origin }) {
      const { setup_token: setupToken, username, password } = body;
      return respond.json(userBody(await issuer.users.setUp({ setupToken, username, password }, origin)), 201);
    },
  }),
];
