import type { EventListener } from "../engine/events.ts";
import { createIssuer, type Issuer } from "../issuer.ts";
import type { Store } from "../store/store.ts";
import { OperatorError } from "./failure.ts";
import { openStore } from "./open-store.ts";
import { type Config, issuerUrl } from "./settings/config.ts";
import { createSecretFile, readSecretFile, secretFilePath } from "./settings/secret-file.ts";
import type { DatabaseLocation } from "./settings/setting-values.ts";

/** What `openIssuer` takes beside the configuration. */
export interface OpenIssuerOptions {
  /** The port that the server listens on, where it is not the configured one. */
  readonly port?: number;
  readonly onEvent?: EventListener;
}

/** An issuer on its store. Closing the issuer closes the store. */
export interface OpenedIssuer {
  readonly issuer: Issuer;
  readonly store: Store;
}

/**
 * Opens the issuer that the configuration describes, for the server and for the commands beside it alike.
 * @throws OperatorError when the root secret is missing or its file cannot be used.
 * @throws LatchkeyError `store_unavailable` or `store_unusable`.
 */
export async function openIssuer(config: Config, { port, onEvent }: OpenIssuerOptions = {}): Promise<OpenedIssuer> {
  const store = await openStore(config.server.database);
  try {
    const secret = config.issuer.secret ?? (await keptSecret(config.server.database, store));
    const issuer = await createIssuer({ ...config.issuer, issuer: issuerUrl(config, port), secret, store, onEvent });
    return { issuer, store };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The secret kept beside the database; made now, unless the database shows that there has been one. */
async function keptSecret(database: DatabaseLocation, store: Store): Promise<string> {
  if (database.kind === "postgres") throw new OperatorError("LATCHKEY_SECRET is required with PostgreSQL.");
  const path = secretFilePath(database.path);
  const kept = await readSecretFile(path);
  if (kept !== undefined) return kept;
  const { keys } = await store.readSigningKeys();
  if (keys.length === 0) return createSecretFile(path);
  throw new OperatorError(
    `${store.description} holds signing keys that are sealed under a root secret, but LATCHKEY_SECRET is not set and ${path} does not exist. ` +
      "Set LATCHKEY_SECRET to the secret used before, or restore the file. If both are lost, so is every session: move the database away and start with a new one.",
  );
}
