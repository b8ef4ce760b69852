import type { ClientDescription } from "../../engine/groups/clients.ts";
import { LatchkeyError } from "../../errors.ts";
import { FIRST_PARTY_CLIENT_ID } from "../../records/session.ts";
import type { Call } from "../endpoint.ts";

/** The client credentials that a form may contain. */
export interface ClientForm {
  readonly client_id?: string | undefined;
  readonly client_secret?: string | undefined;
}

type ClientCall = Pick<Call<unknown, ClientForm>, "issuer" | "request" | "body" | "origin">;

/**
 * The client that calls, by HTTP Basic or by the form (RFC 6749 section 2.3.1), or `undefined` for the first-party
 * client, which has no credentials.
 * @throws LatchkeyError `invalid_client`, and `invalid_request` if it authenticates in two ways.
 */
export async function authenticateClient({
  issuer,
  request,
  body,
  origin,
}: ClientCall): Promise<ClientDescription | undefined> {
  const header = request.headers.get("authorization");
  const { clientId, clientSecret } = header === null ? inForm(body) : inHeader(header, body);
  if (clientId === undefined) {
    if (clientSecret !== undefined) throw new LatchkeyError("invalid_client");
    return undefined;
  }
  if (clientId === FIRST_PARTY_CLIENT_ID && clientSecret === undefined) return undefined;
  return issuer.clients.authenticate({ clientId, clientSecret }, origin);
}

/** The same, for endpoints that only an authenticated client may call. */
export async function authenticateConfidentialClient(call: ClientCall): Promise<ClientDescription> {
  const client = await authenticateClient(call);
  if (client?.kind !== "confidential") {
    throw new LatchkeyError("invalid_client", { description: "Only a confidential client may do this." });
  }
  return client;
}

interface Presented {
  readonly clientId: string | undefined;
  readonly clientSecret: string | undefined;
}

function inForm({ client_id: clientId, client_secret: clientSecret }: ClientForm): Presented {
  return { clientId, clientSecret };
}

function inHeader(header: string, form: ClientForm): Presented {
  const basic = readBasic(header);
  if (basic === undefined) throw new LatchkeyError("invalid_client");
  if (form.client_secret !== undefined) {
    throw new LatchkeyError("invalid_request", {
      description: "The client authenticates in two ways. Send its secret in the header or in the form.",
    });
  }
  if (form.client_id !== undefined && form.client_id !== basic.clientId) throw new LatchkeyError("invalid_client");
  return basic;
}

/** Reads `Basic` (RFC 7617), whose parts are form-encoded before they are joined. An empty secret counts as none. */
function readBasic(header: string): Presented | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const pair = Buffer.from(encoded, "base64").toString("utf8");
  const colon = pair.indexOf(":");
  if (colon === -1) return undefined;
  const clientId = formDecoded(pair.slice(0, colon));
  const clientSecret = formDecoded(pair.slice(colon + 1));
  if (clientId === undefined || clientSecret === undefined) return undefined;
  return { clientId, clientSecret: clientSecret === "" ? undefined : clientSecret };
}

function formDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}
