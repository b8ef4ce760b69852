import { createHash } from "node:crypto";
import type { Transaction } from "./transaction.ts";

// Any role that can connect to a database can hold any advisory lock of it, and would stop sign-ins and revocations with one. A row
// can be locked only by a role that may update it. Locking one changes nothing in it, so that no dead rows pile up.

const REVOCATIONS = 1;
const FIRST_ADMIN = 2;
const SWEEP = 3;
/** Session ids and subjects have a range each: an act that locks both takes all ids first, so that two never wait for each other. */
const SESSION_IDS = 10_000;
const SUBJECTS = 20_000;
/** Two texts may share a lock, and then wait for each other. */
const OF_EACH_RANGE = 1024;

/**
 * The rows to lock, and the lock of the log of revocations, which belongs to the table: every insert, also of a process of an older
 * version as well, holds it from before its entries are numbered until they can be seen. The roles that could write before can do
 * so after the step.
 */
export const LOCKS_TABLE = `
  CREATE TABLE latchkey.locks (id int PRIMARY KEY);
  INSERT INTO latchkey.locks VALUES (${REVOCATIONS}), (${FIRST_ADMIN}), (${SWEEP});
  INSERT INTO latchkey.locks SELECT ${SESSION_IDS} + n FROM generate_series(0, ${OF_EACH_RANGE - 1}) AS n;
  INSERT INTO latchkey.locks SELECT ${SUBJECTS} + n FROM generate_series(0, ${OF_EACH_RANGE - 1}) AS n;

  CREATE FUNCTION latchkey.lock_revocations() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM FROM latchkey.locks WHERE id = ${REVOCATIONS} FOR UPDATE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'latchkey.locks lacks row ${REVOCATIONS}';
    END IF;
    RETURN NULL;
  END
  $$;
  CREATE TRIGGER lock_revocations BEFORE INSERT ON latchkey.revocations
    FOR EACH STATEMENT EXECUTE FUNCTION latchkey.lock_revocations();
`;

/** Waits until no other transaction looks for an administrator to create the first, and keeps others waiting. */
export async function lockFirstAdmin({ query }: Transaction): Promise<void> {
  await query(`SELECT FROM latchkey.locks WHERE id = ${FIRST_ADMIN} FOR UPDATE`);
}

/** Asks for the right to sweep until the transaction ends, and does not wait for it. */
export async function tryToLockSweep({ query }: Transaction): Promise<boolean> {
  const { rowCount } = await query(`SELECT FROM latchkey.locks WHERE id = ${SWEEP} FOR UPDATE SKIP LOCKED`);
  return rowCount === 1;
}

/** Locks session ids that are to be used only if they are free. */
export async function lockSessionIds(transaction: Transaction, ids: readonly string[]): Promise<void> {
  await lockRows(transaction, SESSION_IDS, ids);
}

/** Locks subjects, whose sessions are to be counted. */
export async function lockSubjects(transaction: Transaction, subjects: readonly string[]): Promise<void> {
  await lockRows(transaction, SUBJECTS, subjects);
}

async function lockRows({ query }: Transaction, firstRow: number, texts: readonly string[]): Promise<void> {
  const rows = [...new Set(texts.map((text) => firstRow + hashOf(text)))];
  await query("SELECT FROM latchkey.locks WHERE id = ANY ($1::int[]) ORDER BY id FOR UPDATE", rows);
}

function hashOf(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE() % OF_EACH_RANGE;
}
