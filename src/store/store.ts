import type { AttemptCounts } from "./attempt-counts.ts";
import type { AuditLog } from "./audit-log.ts";
import type { ClientStore } from "./client-store.ts";
import type { KeyStore } from "./key-store.ts";
import type { RevocationLog } from "./revocation-log.ts";
import type { SessionStore } from "./session-store.ts";
import type { StoreOperation } from "./store-operation.ts";
import type { UserStore } from "./user-store.ts";

/**
 * What Latchkey requires of a database. Every method is one whole atomic act: it happens entirely or not at all, and
 * when its promise resolves it is durable. Where a method takes a batch, the whole batch is one act.
 *
 * Every method rejects with `store_unavailable` when the database cannot do it now and another try may succeed (locked,
 * disk full, connection lost), and with `store_unusable` when it never will (corrupt, not a database, newer than the code).
 *
 * Text with U+0000 or a lone surrogate cannot be stored: writing it rejects with a `TypeError`, and nothing is ever found by
 * it. Inside `claims`, `amr` and `roles` any text can.
 */
export interface Store
  extends SessionStore,
    UserStore,
    ClientStore,
    KeyStore,
    RevocationLog,
    AttemptCounts,
    AuditLog,
    StoreOperation {}
