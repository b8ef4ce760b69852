import type { Session } from "../../records/session.ts";
import type { PasswordChange, PasswordChangeRefusal } from "../user-store.ts";
import type { PostgresRunner, Transaction } from "./connection/transaction.ts";
import { checked, idToBytes, insertion, isStorable, sessionColumns } from "./rows.ts";
import { lockClients } from "./session-creation.ts";
import { findRevokedOf, lockUnrevoked, revokeWhere } from "./sessions.ts";

/**
 * Changes a password. The user, the client and the user's sessions are locked first, in this order, which is that of a sign-in: a
 * sign-in that is under way either commits before and is revoked, or finds the new password. It holds a lock on the user as well,
 * so the limit on sessions needs no lock of its own here.
 */
export async function changePassword(
  runner: PostgresRunner,
  { session, fromSessionId, credentialsVersion, newHash }: PasswordChange,
): Promise<readonly string[] | PasswordChangeRefusal> {
  const { subject: userId, createdAt: at } = session;
  if (!isStorable(userId)) return "changed_meanwhile";
  checked([newHash]);
  const revocation = { at, reason: "password_changed" } as const;
  const insert = insertion("sessions", sessionColumns, [session]);
  return runner.run(async (transaction, isUnknown) => {
    const { query } = transaction;
    const { rows } = await query(
      "SELECT credentials_version, disabled_at FROM latchkey.users WHERE id = $1 FOR NO KEY UPDATE",
      userId,
    );
    const user = rows[0];
    if (isUnknown && (await isCommitted(transaction, session))) {
      return (await findRevokedOf(transaction, userId, revocation)).map(({ id }) => id);
    }
    const disabledClients = await lockClients(transaction, [session.clientId]);
    if (fromSessionId !== null && !(await lockUnrevoked(transaction, userId)).has(fromSessionId)) {
      return "session_revoked";
    }
    const mayChange = user?.credentials_version === credentialsVersion && user.disabled_at === null;
    if (!mayChange || disabledClients.has(session.clientId)) return "changed_meanwhile";
    await query("UPDATE latchkey.users SET password_hash = $2, updated_at = $3 WHERE id = $1", userId, newHash, at);
    await query(insert.sql, ...insert.parameters);
    const revoked = await revokeWhere(transaction, false, "subject = $1", userId, revocation, session.id);
    return revoked.map(({ id }) => id);
  });
}

/** Whether an earlier try was committed after all: the session's salt is unique. */
async function isCommitted({ query }: Transaction, { id, salt }: Session): Promise<boolean> {
  const { rows } = await query("SELECT FROM latchkey.sessions WHERE id = $1 AND salt = $2", idToBytes(id), salt);
  return rows.length > 0;
}
