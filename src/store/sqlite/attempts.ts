import type { AttemptsAllowed, AttemptsCounted, AttemptsTaken, CountedAttempt } from "../attempt-counts.ts";
import type { SqliteDatabase } from "./database.ts";

/** The acts on attempts. Each is synchronous and is whole only inside the transaction that its caller runs it in. */
export class SqliteAttempts {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: SqliteDatabase) {
    this.#statements = prepare(database);
  }

  /** Those that have no attempts left; `undefined` where all have. Writes nothing. */
  refusal(limits: readonly AttemptsAllowed[], now: number): AttemptsTaken | undefined {
    const refusing = limits.flatMap(({ key, attempts }) => {
      const found = this.#statements.find.first(key, now);
      return found !== null && found.count >= attempts ? [found] : [];
    });
    if (refusing.length === 0) return undefined;
    const waitMs = Math.max(...refusing.map(({ windowEndsAt }) => windowEndsAt - now));
    return {
      waitSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
      counted: [],
      refusedBy: refusing.map(({ key }) => key),
    };
  }

  take(limits: readonly AttemptsAllowed[], now: number): AttemptsTaken {
    const refused = this.refusal(limits, now);
    if (refused !== undefined) return refused;
    const counted = limits
      .filter(({ isOnlyLookedAt = false }) => !isOnlyLookedAt)
      .map(({ key, windowSeconds }) => {
        this.#statements.count.run(key, now + windowSeconds * 1000, now, now);
        return { key, windowEndsAt: this.#statements.find.first(key, now)!.windowEndsAt };
      });
    return { waitSeconds: 0, counted, refusedBy: [] };
  }

  giveBack(counted: readonly CountedAttempt[], forgotten: readonly string[]): void {
    for (const { key, windowEndsAt } of counted) this.#statements.giveBack.run(key, windowEndsAt);
    for (const key of forgotten) this.#statements.forget.run(key);
  }

  sweep(now: number, limit: number): number {
    return this.#statements.sweep.run(now, limit);
  }

  list(afterKey: string, now: number, limit: number): readonly AttemptsCounted[] {
    return this.#statements.list.all(afterKey, now, limit);
  }

  forget(keys: readonly string[]): number {
    let forgotten = 0;
    for (const key of keys) {
      forgotten += this.#statements.forget.run(key) + this.#statements.forgetBelow.run(`${key} `, `${key}!`);
    }
    return forgotten;
  }
}

const COUNTED_JSON = "json_object('key', key, 'count', count, 'windowEndsAt', ends_at)";

function prepare(database: SqliteDatabase) {
  return {
    find: database.query<[key: string, now: number], AttemptsCounted>(
      COUNTED_JSON,
      "FROM attempts WHERE key = ? AND ends_at > ?",
    ),
    count: database.command<[key: string, endsAt: number, now: number, sameNow: number]>(
      `INSERT INTO attempts (key, count, ends_at) VALUES (?, 1, ?) ON CONFLICT (key) DO UPDATE SET
         count = CASE WHEN ends_at > ? THEN count + 1 ELSE 1 END,
         ends_at = CASE WHEN ends_at > ? THEN ends_at ELSE excluded.ends_at END`,
    ),
    giveBack: database.command<[key: string, endsAt: number]>(
      "UPDATE attempts SET count = max(count - 1, 0) WHERE key = ? AND ends_at = ?",
    ),
    forget: database.command<[key: string]>("DELETE FROM attempts WHERE key = ?"),
    forgetBelow: database.command<[from: string, to: string]>("DELETE FROM attempts WHERE key >= ? AND key < ?"),
    sweep: database.command<[now: number, limit: number]>(
      "DELETE FROM attempts WHERE key IN (SELECT key FROM attempts WHERE ends_at <= ? ORDER BY ends_at LIMIT ?)",
    ),
    list: database.query<[afterKey: string, now: number, limit: number], AttemptsCounted>(
      COUNTED_JSON,
      "FROM attempts WHERE key > ? AND ends_at > ? AND count > 0 ORDER BY key LIMIT ?",
    ),
  };
}
