import type { RevocationReason } from "../records/session.ts";

/** Where a request came from, for events and throttling. */
export interface RequestContext {
  readonly requestId?: string;
  /** The client's address; `null` if it is not known. */
  readonly ip?: string | null;
  readonly userAgent?: string | null;
  /** Who acts, if it is not the person: an operator's name. */
  readonly actor?: string | undefined;
  /**
   * What `Issuer.deviceToken` returned for this device at an earlier sign-in: strangers' failures then do not count
   * against it. Only throttling uses it; no event contains it.
   */
  readonly deviceToken?: string | null | undefined;
  /**
   * Whether the client has closed its connection meanwhile, so that no one will see the response. A refresh then
   * rotates nothing. A token that had been replaced for good is still reuse, unless a stalled process or a bad network
   * explains it. Default: no client ever has.
   */
  readonly isAbandoned?: () => boolean;
  /** Whether an address belongs to a trusted proxy, which says nothing about where a client is. Default: none is. */
  readonly isTrustedProxy?: ((address: string) => boolean) | undefined;
}

/** The fields that every event has in addition to its own. Times are ISO 8601, UTC. No event ever contains a secret. */
interface EventBase {
  readonly time: string;
  readonly requestId: string | null;
  readonly ip: string | null;
  /** Who acted on the person's behalf: for the command line, the operating-system user. Present only in that case. */
  readonly actor?: string;
  /** The username of the `subject`, if the person is one of Latchkey's users and known to this process. */
  readonly username?: string;
}

interface SessionEventBase extends EventBase {
  readonly subject: string;
  readonly sessionId: string;
}

/** Everything worth an operator's attention, each emitted exactly once, after it has been committed. */
export type LatchkeyEvent =
  | (SessionEventBase & {
      readonly type: "login.succeeded";
      readonly clientId: string;
      readonly userAgent: string | null;
    })
  | (EventBase & {
      readonly type: "login.failed";
      readonly reason: LoginFailure;
      /** The user's id, if the user exists. What was typed is never repeated: people type passwords there. */
      readonly subject: string | null;
    })
  | (SessionEventBase & {
      readonly type: "session.refreshed";
      readonly generation: number;
      /**
       * How the rotation was decided; `repeat` is a racing twin, `sibling` follows a lost response, `caught_up` follows
       * a stale token with proof.
       */
      readonly decision: "advance" | "repeat" | "sibling" | "rolled_back" | "caught_up";
    })
  | (SessionEventBase & {
      /**
       * A token that had been replaced for good was presented, with proof of the session's key or by its confidential
       * client.
       */
      readonly type: "session.caught_up";
      /** The generation presented, and the newest one, which was handed out. */
      readonly generation: number;
      readonly known: number;
    })
  | (SessionEventBase & {
      /**
       * A token was presented again within the grace window, from another address and another user agent than the first
       * time. Reported once per session and day. The cause is two holders, or an application's server and its browser.
       */
      readonly type: "refresh_token.repeated_elsewhere";
      readonly generation: number;
      readonly userAgent: string | null;
      /** Where it was first presented from. */
      readonly before: { readonly ip: string | null; readonly userAgent: string | null };
    })
  | (SessionEventBase & {
      /** What would have been reuse was forgiven: the client had disconnected, and got no response. */
      readonly type: "refresh_token.reuse_forgiven";
      /** The generation presented, and the newest one that had been confirmed. */
      readonly generation: number;
      readonly confirmed: number;
      /** The process was stalled meanwhile, or the connection was lost, which is forgiven once an hour. */
      readonly cause: "process_stalled" | "connection_lost";
    })
  | (SessionEventBase & {
      readonly type: "refresh_token.reused";
      /** The generation presented, and the newest one that had been confirmed. */
      readonly generation: number;
      readonly confirmed: number;
    })
  | (SessionEventBase & {
      readonly type: "session.rolled_back";
      /** The generation presented, and the newest one that the database knew. */
      readonly generation: number;
      readonly known: number;
    })
  | (SessionEventBase & { readonly type: "session.reauthenticated" })
  | (SessionEventBase & {
      /** A session that another system had opened continues here. */
      readonly type: "session.adopted";
      readonly clientId: string;
    })
  | (SessionEventBase & {
      /** A token of another system names another subject or client than the session that was adopted for it. Nothing was changed. */
      readonly type: "session.adoption_refused";
      /** The ones of the session, like `subject`; and the ones that the token names now. */
      readonly clientId: string;
      readonly presentedSubject: string;
      readonly presentedClientId: string;
    })
  | (EventBase & { readonly type: "session.logged_out"; readonly sessionId: string; readonly subject: string | null })
  | (EventBase & {
      readonly type: "session.revoked";
      readonly sessionId: string;
      readonly subject: string | null;
      readonly reason: Exclude<RevocationReason, "logout" | "refresh_token_reused">;
    })
  | (EventBase & { readonly type: "user.registered"; readonly subject: string })
  | (SessionEventBase & {
      /** `sessionId` is the session that the person continues in; all others have ended. */
      readonly type: "user.password_changed";
    })
  | (EventBase & { readonly type: "user.created"; readonly subject: string; readonly roles: readonly string[] })
  | (EventBase & { readonly type: "users.imported"; readonly created: number })
  | (EventBase & {
      /** Sessions that an operator has ended in one act, if they are too many to report one by one. */
      readonly type: "sessions.revoked";
      readonly count: number;
    })
  | (EventBase & {
      /** Counts of attempts that an operator has reset: for the account of `subject`, for an address, or all. */
      readonly type: "throttle.cleared";
      readonly counts: number;
      readonly subject: string | null;
      readonly address: string | null;
    })
  | (EventBase & {
      /** An operator has created the database, or migrated it. Schema versions; `from` is 0 for a new database. */
      readonly type: "database.migrated";
      readonly from: number;
      readonly to: number;
    })
  | (EventBase & {
      /** An operator has copied the database into a file, which contains all sessions and password hashes. */
      readonly type: "database.backed_up";
      readonly file: string;
    })
  | (EventBase & { readonly type: "user.disabled" | "user.enabled"; readonly subject: string })
  | (EventBase & { readonly type: "user.roles_changed"; readonly subject: string; readonly roles: readonly string[] })
  | (EventBase & { readonly type: "client.created" | "client.disabled" | "client.enabled"; readonly clientId: string })
  | (EventBase & {
      readonly type: "client.refused";
      /** The client's id, if the client exists. What was sent is never repeated. */
      readonly clientId: string | null;
    })
  | (EventBase & { readonly type: "client.token_issued"; readonly clientId: string; readonly scope: string })
  | (EventBase & { readonly type: "signing_key.rotated" | "signing_key.removed"; readonly kid: string })
  | (EventBase & {
      /** The store works, but delays requests that it should not delay. */
      readonly type: "store.degraded";
      /** What has happened, and what follows from it. */
      readonly detail: string;
    })
  | (EventBase & {
      readonly type: "clock.differs";
      /** How far this process's clock is ahead of the database's; negative where it is behind. */
      readonly aheadSeconds: number;
    });

export type LoginFailure = "unknown_user" | "wrong_password" | "user_disabled" | "too_many_requests" | "server_busy";

/** Receives an event. It is called after the commit and cannot undo anything; what it throws is ignored. */
export type EventListener = (event: LatchkeyEvent) => void;

type WithoutBase<Event> = Event extends EventBase ? Omit<Event, keyof EventBase> : never;

type AnyStatedEvent = WithoutBase<LatchkeyEvent>;

/**
 * The end of a session. Only `announce-revoked.ts` emits it, so that no end is announced while its access tokens still
 * work.
 */
export type SessionEndedEvent = Extract<
  AnyStatedEvent,
  { readonly type: "session.revoked" | "session.logged_out" | "refresh_token.reused" }
>;

/** Any other event as the engine emits it; time, request id and address are added when it is emitted. */
export type StatedEvent = Exclude<AnyStatedEvent, SessionEndedEvent>;

/** Hands events to the listeners, completed with time and origin. */
export type Emit = (event: StatedEvent, context: RequestContext) => void;

/** The same, but also for ends of sessions. */
export type EmitAny = (event: StatedEvent | SessionEndedEvent, context: RequestContext) => void;

/** Creates the engine's `emit`. A listener that throws must not fail the request whose work is already committed. */
export function createEmit(
  now: () => number,
  listeners: readonly EventListener[],
  usernameOf: (subject: string) => string | undefined = () => undefined,
): EmitAny {
  return (stated, context) => {
    const subject = "subject" in stated ? stated.subject : null;
    const username = subject === null ? undefined : usernameOf(subject);
    // In this order: V8 takes a microsecond to add a field to an object that has been spread, and none to spread one into it.
    const event = {
      time: new Date(now()).toISOString(),
      requestId: context.requestId ?? null,
      ip: context.ip ?? null,
      ...(context.actor !== undefined && { actor: context.actor }),
      ...(username !== undefined && { username }),
      ...stated,
    } as LatchkeyEvent;
    for (const listener of listeners) {
      try {
        listener(event);
      } catch {}
    }
  };
}
