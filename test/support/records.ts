import { randomBytes } from "node:crypto";
import type { Client } from "../../src/records/client.ts";
import type { Session } from "../../src/records/session.ts";
import type { StoredSigningKey } from "../../src/records/signing-key.ts";
import type { User } from "../../src/records/user.ts";
import type { SessionCreation } from "../../src/store/session-store.ts";
import type { PasswordChange } from "../../src/store/user-store.ts";

/** Any time will do: a store never asks what time it is. It has milliseconds, so that a store of seconds is found out. */
export const NOW = 1_792_538_400_123;
export const DAY = 86_400_000;

export function newId(): string {
  return randomBytes(16).toString("base64url");
}

/** A live session without anything optional. */
export function newSession(changes: Partial<Session> = {}): Session {
  return {
    id: newId(),
    subject: newId(),
    clientId: "web",
    salt: new Uint8Array(randomBytes(16)),
    rotation: { confirmed: 0, pendingFrom: 1, pendingTo: 1, rotatedAt: NOW, reuseForgivenAt: null },
    createdAt: NOW,
    authTime: NOW,
    expiresAt: NOW + 30 * DAY,
    revokedAt: null,
    revokedFor: null,
    device: null,
    userAgent: null,
    ip: null,
    scope: null,
    amr: null,
    claims: null,
    jkt: null,
    usedBefore: null,
    lastIp: null,
    lastUserAgent: null,
    ...changes,
  };
}

/** A request to create a session for whom the application vouches. */
export function vouched(session: Session, sessionLimit = 0): SessionCreation {
  return { session, credentialsVersion: null, sessionLimit };
}

/** A request to create a session for a user who has proved who they are, by credentials of this version. */
export function proved(
  session: Session,
  { credentialsVersion }: Pick<User, "credentialsVersion">,
  sessionLimit = 0,
): SessionCreation {
  return { session, credentialsVersion, sessionLimit };
}

/** A change to the hash `new`, by default made in no session. */
export function passwordChange(
  { id: subject, credentialsVersion }: User,
  changes: Partial<Omit<PasswordChange, "session">> = {},
  session: Partial<Session> = {},
): PasswordChange {
  return {
    session: newSession({ subject, ...session }),
    fromSessionId: null,
    credentialsVersion,
    newHash: "new",
    ...changes,
  };
}

export function newUser(changes: Partial<User> = {}): User {
  const id = newId();
  return {
    id,
    username: `Ada-${id}`,
    canonicalUsername: `ada-${id}`,
    passwordHash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g",
    roles: [],
    createdAt: NOW,
    updatedAt: NOW,
    disabledAt: null,
    credentialsVersion: 1,
    ...changes,
  };
}

/** A confidential client that may ask for a token of its own. */
export function newClient(changes: Partial<Client> = {}): Client {
  return {
    id: `lkc_${newId()}`,
    name: "reports",
    kind: "confidential",
    secretHash: new Uint8Array(randomBytes(32)),
    grantTypes: ["client_credentials"],
    scope: "reports:read reports:write",
    grantId: newId(),
    createdAt: NOW,
    updatedAt: NOW,
    disabledAt: null,
    ...changes,
  };
}

export function newSigningKey(changes: Partial<StoredSigningKey> = {}): StoredSigningKey {
  return {
    kid: randomBytes(32).toString("base64url"),
    alg: "ES256",
    state: "current",
    publicJwk: '{"kty":"EC"}',
    sealedPrivateKey: new Uint8Array(randomBytes(150)),
    createdAt: NOW,
    activatedAt: NOW + 1,
    retiredAt: null,
    ...changes,
  };
}

/** Text that databases and drivers are known to mangle. */
export const awkwardTexts = {
  "an empty text": "",
  "characters of four bytes": "𝒜𐍈 👩🏽‍🚀 🇺🇳",
  "combining and right-to-left characters": "e\u0301 שלום مرحبا \u202e",
  "quotes, backslashes and placeholders": `'"\\\\' -- ; ? ?1 $1 :a @b %s {} \${x} /* */`,
  "control characters and line ends": "\u0001\u001b[31m\t\r\n\u0085\u2028\u2029\u007f\ufeff",
  "noncharacters and the replacement character": "\ufffd\ufffe\uffff\u{10ffff}",
  "text that looks like JSON": '{"a":[1,null,"\\u0000"]}',
  "text that looks like a number": "0012e5",
  "4,000 characters": "ß😀".repeat(2000),
} as const;

/** Text that cannot be stored in every database, or that would come back as another. */
export const unstorableTexts = {
  "U+0000": "admin\u0000",
  "a lone high surrogate": "admin\ud800",
  "a lone low surrogate": "\udc00admin",
} as const;
