/** Keeps what operators have done. */
export interface AuditLog {
  /**
   * Keeps what an operator has done until {@link AuditLog.takeOperatorEvents} removes it, in order. Each is a JSON
   * text.
   */
  addOperatorEvents(events: readonly string[]): Promise<void>;

  /**
   * Removes and returns at most `limit` of the oldest: among several processes that call it, each event is returned to
   * only one.
   */
  takeOperatorEvents(limit: number): Promise<readonly string[]>;
}
