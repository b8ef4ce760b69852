import { userInfo } from "node:os";
import { createEmit, type LatchkeyEvent, type StatedEvent } from "../engine/events.ts";
import { systemEnvironment } from "../environment.ts";
import type { AuditLog } from "../store/audit-log.ts";

/** More sessions than that, ended by one command, are told as a number. */
const MOST_SESSIONS = 100;
const BATCH = 500;

/** Who runs this command: the operating-system user, and behind `sudo` the one who called it. */
export function operatorName(): string {
  const name = systemUser();
  const caller = process.getuid?.() === 0 ? process.env.SUDO_USER : undefined;
  return caller === undefined || caller === name ? name : `${name} (sudo by ${caller})`;
}

function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    // In a container the number may have no name.
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

/** What a command has done, kept until a server takes it into its log. */
export interface OperatorTrace {
  readonly onEvent: (event: LatchkeyEvent) => void;
  /** Writes it down. */
  keep(store: Pick<AuditLog, "addOperatorEvents">): Promise<void>;
}

export function createOperatorTrace(actor: string): OperatorTrace {
  const events: LatchkeyEvent[] = [];
  let moreSessions = 0;
  let sessions = 0;
  return {
    onEvent(event) {
      if (event.type === "session.revoked" && ++sessions > MOST_SESSIONS) moreSessions += 1;
      else events.push({ ...event, actor });
    },
    async keep(store) {
      const [last] = events.slice(-1);
      if (moreSessions > 0 && last !== undefined) {
        const { time, requestId, ip } = last;
        events.push({ type: "sessions.revoked", count: moreSessions, time, requestId, ip, actor });
      }
      const texts = events.map((event) => JSON.stringify(event));
      for (let start = 0; start < texts.length; start += BATCH)
        await store.addOperatorEvents(texts.slice(start, start + BATCH));
    },
  };
}

/** Writes down an act of this command that no issuer emits. The act is done: a trace that cannot be kept does not undo it. */
export async function keepOperatorAct(act: StatedEvent, store: Pick<AuditLog, "addOperatorEvents">): Promise<void> {
  const actor = operatorName();
  const trace = createOperatorTrace(actor);
  createEmit(() => systemEnvironment.clock.now(), [trace.onEvent])(act, { actor });
  await trace.keep(store).catch(() => {});
}

/** How often a server looks for what operators have done. */
const LOOK_MS = 1000;
const MOST_AT_ONCE = 200;

/**
 * Passes what operators do to the listener, each event to one of the processes on the database. Returns a function that
 * stops this.
 */
export function followOperators(
  store: Pick<AuditLog, "takeOperatorEvents">,
  listener: (event: LatchkeyEvent) => void,
): () => Promise<void> {
  let looking: Promise<void> = Promise.resolve();
  let isLooking = false;
  async function look(): Promise<void> {
    try {
      for (;;) {
        const taken = await store.takeOperatorEvents(MOST_AT_ONCE);
        for (const text of taken) listener(JSON.parse(text));
        if (taken.length < MOST_AT_ONCE) return;
      }
    } catch {
      // The next look makes up for it.
    } finally {
      isLooking = false;
    }
  }
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    looking = look();
  }, LOOK_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await looking;
  };
}
