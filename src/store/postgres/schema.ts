import { ATTEMPTS_TABLE } from "./attempts.ts";
import { REVOCATION_CHANNEL } from "./connection/listener.ts";
import { LOCKS_TABLE } from "./connection/locks.ts";

/** A step from one version of the schema to the next. */
export interface PostgresMigration {
  readonly sql: string;
  /**
   * The oldest version of the schema whose code can go on working after this step: what only adds keeps the number of the
   * step before, so that processes of the version before go on serving while the new ones start.
   */
  readonly worksFrom: number;
}

/** What version 1 held advisory locks under: "LKEY" in ASCII, and what is locked. */
const LOCKS = 0x4c4b4559;

/**
 * Held while a transaction creates the schema, before there is a row to lock. A stranger who holds it can keep an empty database
 * empty.
 */
export const CREATION_LOCK = `pg_advisory_xact_lock(${LOCKS}, 0)`;

/** 16 random bytes; PostgreSQL itself has no function for them, and a UUID alone has six bits that are known. */
const RANDOM_SALT = "substring(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) FROM 1 FOR 16)";

/** In the words of the index that leaves all other users out. */
export const HAS_IMPORTED_HASH = `password_hash COLLATE "C" >= 'imported:' AND password_hash COLLATE "C" < 'imported;'`;

/** For roles that others have made for the servers: what they may do to sessions they may do to these tables. */
function grantLikeSessions(tables: string): string {
  return `
  DO $$
  DECLARE
    role text;
  BEGIN
    FOR role IN
      SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
      FROM pg_class, aclexplode(relacl)
      WHERE pg_class.oid = 'latchkey.sessions'::regclass AND grantee <> relowner AND privilege_type = 'UPDATE'
    LOOP
      EXECUTE 'GRANT SELECT, INSERT, UPDATE, DELETE ON ${tables} TO ' || role;
    END LOOP;
  END
  $$;`;
}

/**
 * What brings a database from one version to the next; the version is the number of those that have run. They run in one
 * transaction. A migration that has been released is never edited: the next one is added.
 *
 * - No index covers a column that a rotation changes, and the pages of `sessions` are filled by two thirds, so that a rotation
 *   writes one page and no index (a HOT update), and the next one reuses its room without a vacuum.
 * - `user_changes` counts what has happened to a session's user, so that one row shows whether a decision still holds.
 * - A revocation is logged by a constraint trigger that is deferred to the commit: any act that revokes takes the lock
 *   of the log as the last of its locks, and holds it until its entries can be seen. So they become visible in the
 *   order of their numbers, and a rotation pays nothing for it. Since version 2 the lock is a row's, taken by a trigger
 *   of the log itself. A transaction that has only version 1's lock when the step begins has changed sessions as well,
 *   so the step, which locks both tables, waits for it or comes before its entries.
 * - `credentials_version` rises by a trigger, so that a process of an older version raises it as well. A salt that is NULL has never
 *   been drawn: adding one to every user would rewrite the table while older processes serve.
 * - `adopted_sessions` outlives the sessions: 16 bytes of each keep what another system still vouches for from opening an ended
 *   session again.
 * - Subjects may be long, which a B-tree refuses and a hash index does not mind. Text is compared byte by byte ("C"), since the
 *   order of a locale changes with the operating system and damages indexes.
 */
export const migrations: readonly PostgresMigration[] = [
  {
    worksFrom: 1,
    sql: `
  CREATE TABLE latchkey.schema_version (
    id int PRIMARY KEY CHECK (id = 1),
    version int NOT NULL,
    works_from int NOT NULL
  );
  INSERT INTO latchkey.schema_version VALUES (1, 0, 0);

  CREATE TABLE latchkey.users (
    id text COLLATE "C" PRIMARY KEY,
    username text NOT NULL,
    canonical_username text COLLATE "C" NOT NULL UNIQUE,
    password_hash text NOT NULL,
    roles text NOT NULL,
    is_admin boolean NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    disabled_at bigint
  );
  CREATE INDEX users_admins ON latchkey.users (id) WHERE is_admin;
  CREATE INDEX users_imported ON latchkey.users (password_hash COLLATE "C") WHERE ${HAS_IMPORTED_HASH};

  CREATE TABLE latchkey.clients (
    id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('confidential', 'public')),
    secret_hash bytea CHECK (length(secret_hash) = 32),
    grant_types text NOT NULL,
    scope text NOT NULL,
    grant_id bytea NOT NULL UNIQUE CHECK (length(grant_id) = 16),
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    disabled_at bigint,
    position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    CHECK ((kind = 'confidential') = (secret_hash IS NOT NULL))
  );

  CREATE TABLE latchkey.sessions (
    id bytea PRIMARY KEY CHECK (length(id) = 16),
    subject text COLLATE "C" NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    salt bytea NOT NULL,
    confirmed bigint NOT NULL,
    pending_from bigint NOT NULL,
    pending_to bigint NOT NULL,
    rotated_at bigint NOT NULL,
    created_at bigint NOT NULL,
    auth_time bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint,
    revoked_for text,
    jkt text,
    device text,
    user_agent text,
    ip text,
    scope text,
    amr text,
    claims text,
    user_changes int NOT NULL DEFAULT 0,
    position bigint GENERATED ALWAYS AS IDENTITY,
    CHECK ((revoked_at IS NULL) = (revoked_for IS NULL))
  ) WITH (fillfactor = 66);
  CREATE INDEX sessions_by_subject ON latchkey.sessions USING hash (subject);
  CREATE INDEX sessions_by_client ON latchkey.sessions USING hash (client_id) WHERE client_id <> 'first-party';
  CREATE INDEX sessions_by_creation ON latchkey.sessions (created_at);
  CREATE INDEX sessions_by_expiry ON latchkey.sessions (expires_at);

  CREATE TABLE latchkey.revocations (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id bytea NOT NULL,
    at bigint NOT NULL
  );
  CREATE FUNCTION latchkey.log_revocation() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM pg_advisory_xact_lock(${LOCKS}, 2);
    IF TG_TABLE_NAME = 'sessions' THEN
      INSERT INTO latchkey.revocations (session_id, at) VALUES (NEW.id, NEW.revoked_at);
    ELSE
      INSERT INTO latchkey.revocations (session_id, at) VALUES (NEW.grant_id, NEW.disabled_at);
    END IF;
    PERFORM pg_notify('${REVOCATION_CHANNEL}', '');
    RETURN NULL;
  END
  $$;
  CREATE CONSTRAINT TRIGGER log_revocation AFTER UPDATE OF revoked_at ON latchkey.sessions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION latchkey.log_revocation();
  CREATE CONSTRAINT TRIGGER log_revocation AFTER UPDATE OF disabled_at ON latchkey.clients
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL)
    EXECUTE FUNCTION latchkey.log_revocation();

  CREATE TABLE latchkey.key_ring (
    id int PRIMARY KEY CHECK (id = 1),
    version bigint NOT NULL
  );
  INSERT INTO latchkey.key_ring VALUES (1, 0);
  CREATE TABLE latchkey.signing_keys (
    position int PRIMARY KEY,
    kid text COLLATE "C" NOT NULL UNIQUE,
    alg text NOT NULL,
    state text NOT NULL,
    public_jwk text,
    sealed_private_key bytea NOT NULL,
    created_at bigint NOT NULL,
    activated_at bigint,
    retired_at bigint
  );

  ${ATTEMPTS_TABLE}
  `,
  },
  {
    worksFrom: 1,
    sql: `
  ALTER TABLE latchkey.users
    ADD COLUMN credentials_version int NOT NULL DEFAULT 1,
    ADD COLUMN credentials_salt bytea;
  ALTER TABLE latchkey.users ALTER COLUMN credentials_salt SET DEFAULT ${RANDOM_SALT};
  CREATE FUNCTION latchkey.raise_credentials_version() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    NEW.credentials_version := OLD.credentials_version + 1;
    NEW.credentials_salt := ${RANDOM_SALT};
    RETURN NEW;
  END
  $$;
  CREATE TRIGGER raise_credentials_version BEFORE UPDATE OF password_hash, disabled_at ON latchkey.users
    FOR EACH ROW
    WHEN (OLD.password_hash IS DISTINCT FROM NEW.password_hash OR OLD.disabled_at IS DISTINCT FROM NEW.disabled_at)
    EXECUTE FUNCTION latchkey.raise_credentials_version();

  ALTER TABLE latchkey.sessions
    ADD COLUMN last_ip text,
    ADD COLUMN last_user_agent text,
    ADD COLUMN used_before bigint,
    ADD COLUMN reuse_forgiven_at bigint;

  CREATE TABLE latchkey.access_lifetimes (
    seconds int PRIMARY KEY,
    last_in_force_at bigint NOT NULL
  );
  -- What processes of the version before have signed lives for a day at most.
  INSERT INTO latchkey.access_lifetimes (seconds, last_in_force_at)
  SELECT 86400, (extract(epoch FROM now()) * 1000)::bigint WHERE EXISTS (SELECT FROM latchkey.sessions);

  ${LOCKS_TABLE}
  CREATE OR REPLACE FUNCTION latchkey.log_revocation() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF TG_TABLE_NAME = 'sessions' THEN
      INSERT INTO latchkey.revocations (session_id, at) VALUES (NEW.id, NEW.revoked_at);
    ELSE
      INSERT INTO latchkey.revocations (session_id, at) VALUES (NEW.grant_id, NEW.disabled_at);
    END IF;
    PERFORM pg_notify('${REVOCATION_CHANNEL}', '');
    RETURN NULL;
  END
  $$;

  ${grantLikeSessions("latchkey.locks, latchkey.access_lifetimes")}
  `,
  },
  {
    worksFrom: 1,
    sql: `
  CREATE TABLE latchkey.used_setup_links (
    id text COLLATE "C" PRIMARY KEY,
    expires_at bigint NOT NULL
  );
  CREATE TABLE latchkey.operator_events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event text NOT NULL
  );
  CREATE TABLE latchkey.adopted_sessions (
    id bytea PRIMARY KEY CHECK (length(id) = 16)
  );
  ${grantLikeSessions("latchkey.used_setup_links, latchkey.operator_events, latchkey.adopted_sessions")}
  `,
  },
];

/** The version of the schema that this code makes. */
export const NEWEST_POSTGRES_SCHEMA_VERSION = migrations.length;
