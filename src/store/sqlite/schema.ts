/** Marks a database as Latchkey's (`PRAGMA application_id`): "LKEY" in ASCII. */
export const APPLICATION_ID = 0x4c4b4559;

/** A step from one version of the schema to the next. */
export interface SqliteMigration {
  readonly sql: string;
  /**
   * The oldest version of the schema whose code still works after this step. A step that only adds keeps the number of the step
   * before, so that processes of the version before continue to serve while the new ones start.
   */
  readonly worksFrom: number;
}

/** The first version that keeps itself in a table of its own, and in `PRAGMA user_version` the oldest code that still works. */
export const VERSION_IN_TABLE = 5;

/**
 * What brings a database from one version to the next; the version is the number of those that have run. Each runs once, in
 * a transaction of its own. A migration that has been released is never edited: the next one is added.
 *
 * - No index covers a column that a rotation changes, so a rotation writes one page. A row's `rowid` shows the order of
 *   sign-ins within one millisecond.
 * - `credentials_version` rises by a trigger, so that a process of an older version raises it as well.
 */
export const migrations: readonly SqliteMigration[] = [
  {
    worksFrom: 1,
    sql: `
  CREATE TABLE users (
    id TEXT PRIMARY KEY NOT NULL,
    username TEXT NOT NULL,
    canonical_username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL CHECK (json_valid(roles)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    disabled_at INTEGER
  ) STRICT;

  CREATE TABLE sessions (
    id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    subject TEXT NOT NULL,
    client_id TEXT NOT NULL,
    salt BLOB NOT NULL,
    confirmed INTEGER NOT NULL,
    pending_from INTEGER NOT NULL,
    pending_to INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    auth_time INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    revoked_for TEXT,
    device TEXT,
    user_agent TEXT,
    ip TEXT,
    scope TEXT,
    amr TEXT CHECK (json_valid(amr)),
    claims TEXT CHECK (json_valid(claims)),
    CHECK ((revoked_at IS NULL) = (revoked_for IS NULL))
  ) STRICT;
  CREATE INDEX sessions_by_subject ON sessions (subject, created_at);
  CREATE INDEX sessions_by_creation ON sessions (created_at);
  CREATE INDEX sessions_by_expiry ON sessions (expires_at, revoked_at);

  CREATE TABLE revocations (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id BLOB NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;
  CREATE TRIGGER log_revocation AFTER UPDATE OF revoked_at ON sessions
  WHEN old.revoked_at IS NULL AND new.revoked_at IS NOT NULL
  BEGIN
    INSERT INTO revocations (session_id, at) VALUES (new.id, new.revoked_at);
  END;

  CREATE TABLE key_ring (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
  ) STRICT;
  INSERT INTO key_ring (id, version) VALUES (1, 0);
  CREATE TABLE signing_keys (
    position INTEGER PRIMARY KEY,
    kid TEXT NOT NULL UNIQUE,
    alg TEXT NOT NULL,
    state TEXT NOT NULL,
    public_jwk TEXT,
    sealed_private_key BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    activated_at INTEGER,
    retired_at INTEGER
  ) STRICT;
  `,
  },
  // Nearly all sessions are first-party, and an index that leaves them out costs a sign-in nothing.
  {
    worksFrom: 2,
    sql: `
  CREATE TABLE clients (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('confidential', 'public')),
    secret_hash BLOB CHECK (length(secret_hash) = 32),
    grant_types TEXT NOT NULL CHECK (json_valid(grant_types)),
    scope TEXT NOT NULL,
    grant_id BLOB NOT NULL UNIQUE CHECK (length(grant_id) = 16),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    disabled_at INTEGER,
    CHECK ((kind = 'confidential') = (secret_hash IS NOT NULL))
  ) STRICT;
  CREATE INDEX sessions_by_client ON sessions (client_id) WHERE client_id <> 'first-party';

  CREATE TRIGGER log_client_revocation AFTER UPDATE OF disabled_at ON clients
  WHEN old.disabled_at IS NULL AND new.disabled_at IS NOT NULL
  BEGIN
    INSERT INTO revocations (session_id, at) VALUES (new.grant_id, new.disabled_at);
  END;
  `,
  },
  {
    worksFrom: 3,
    sql: `
  ALTER TABLE sessions ADD COLUMN jkt TEXT;
  `,
  },
  // Empty again once the last imported user has signed in.
  {
    worksFrom: 4,
    sql: `
  CREATE INDEX users_with_imported_hash ON users (password_hash)
  WHERE password_hash >= 'imported:' AND password_hash < 'imported;';
  `,
  },
  // A salt that is NULL has never been drawn: adding one to every user would rewrite the table while older processes serve.
  {
    worksFrom: 4,
    sql: `
  CREATE TABLE schema_version (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
  ) STRICT;
  INSERT INTO schema_version (id, version) VALUES (1, ${VERSION_IN_TABLE});

  ALTER TABLE users ADD COLUMN credentials_version INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE users ADD COLUMN credentials_salt BLOB;
  CREATE TRIGGER draw_credentials_salt AFTER INSERT ON users WHEN new.credentials_salt IS NULL
  BEGIN
    UPDATE users SET credentials_salt = randomblob(16) WHERE id = new.id;
  END;
  CREATE TRIGGER raise_credentials_version AFTER UPDATE OF password_hash, disabled_at ON users
  WHEN old.password_hash IS NOT new.password_hash OR old.disabled_at IS NOT new.disabled_at
  BEGIN
    UPDATE users SET credentials_version = old.credentials_version + 1, credentials_salt = randomblob(16)
    WHERE id = new.id;
  END;

  ALTER TABLE sessions ADD COLUMN last_ip TEXT;
  ALTER TABLE sessions ADD COLUMN last_user_agent TEXT;
  ALTER TABLE sessions ADD COLUMN used_before INTEGER;
  ALTER TABLE sessions ADD COLUMN reuse_forgiven_at INTEGER;

  CREATE TABLE access_lifetimes (
    seconds INTEGER PRIMARY KEY,
    last_in_force_at INTEGER NOT NULL
  ) STRICT;
  -- What processes of the version before have signed lives for a day at most.
  INSERT INTO access_lifetimes (seconds, last_in_force_at)
  SELECT 86400, unixepoch() * 1000 WHERE EXISTS (SELECT 1 FROM sessions);

  -- Whatever asks for a person's sessions asks for those that are not revoked: of a script that signs in each minute there are few.
  DROP INDEX sessions_by_subject;
  CREATE INDEX sessions_by_subject ON sessions (subject, created_at) WHERE revoked_at IS NULL;
  CREATE INDEX revocations_by_time ON revocations (at);
  `,
  },
  // Counts in `attempts` matter for at most an hour. `adopted_sessions` outlives the sessions: 16 bytes of each keep
  // what another system still vouches for from opening an ended session again.
  {
    worksFrom: 4,
    sql: `
  CREATE INDEX users_admins ON users (id) WHERE instr(roles, '"admin"') > 0;

  CREATE TABLE used_setup_links (
    id TEXT PRIMARY KEY NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE attempts (
    key TEXT PRIMARY KEY NOT NULL,
    count INTEGER NOT NULL,
    ends_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX attempts_by_end ON attempts (ends_at);

  CREATE TABLE adopted_sessions (
    id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE operator_events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL CHECK (json_valid(event))
  ) STRICT;
  `,
  },
];
