/** Keeps what operators have done. */
export interface AuditLog {
  /** Keeps what an operator has done until {@link AuditLog.takeOperatorEvents} takes it, in order. Each is a text of JSON. */
  addOperatorEvents(events: readonly string[]): Promise<void>;

  /** Takes the oldest of them out, `limit` at most: of several processes that ask, one is given each. */
  takeOperatorEvents(limit: number): Promise<readonly string[]>;
}
