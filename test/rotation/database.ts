import {
  decideRotation,
  generationToReissue,
  initialRotation,
  type Presenter,
  type RotationDecision,
  type RotationPolicy,
  type RotationState,
} from "../../src/records/rotation.ts";

/** The functions of `src/records/rotation.ts` that the worlds run on. Handed in, so that a mutant can stand in their place. */
export interface Protocol {
  readonly initialRotation: typeof initialRotation;
  readonly decideRotation: typeof decideRotation;
  /** The real function gives a generation and cannot write. A mutant may: then it gives what it writes as well. */
  readonly generationToReissue: (state: RotationState, held: number, now: number) => number | undefined | Rewritten;
}

/** What a mutant issues at a reauthentication, and the row that it writes. */
export interface Rewritten {
  readonly issue: number;
  readonly next: RotationState;
}

/** The real functions: nothing in this folder decides anything about generations but they. */
export const realProtocol: Protocol = { initialRotation, decideRotation, generationToReissue };

/** The server of a world: the protocol and the operator's choice. A tick of every world's clock is one second. */
export interface Server {
  readonly protocol: Protocol;
  readonly policy: RotationPolicy;
}

/** The session's one row, and beside it what the answers alone say. Both are restored together. */
export interface Database {
  readonly row: RotationState;
  readonly ledger: Ledger;
  readonly revoked: boolean;
}

/**
 * What an onlooker who sees the answers, and never the row, knows: the witness that the row is held against.
 * A correct row is this and nothing else.
 */
export interface Ledger {
  /** The generation that was accepted last, not counting repetitions. */
  readonly base: number;
  /** What has been issued on top of `base`, oldest first. */
  readonly issued: readonly number[];
  /** When the last of `issued` was issued, in ticks. */
  readonly issuedAt: number;
  /** When the first replay of the latest incident was forgiven for a bad network's sake, in ticks. */
  readonly forgivenAt?: number;
}

/** One refresh that reached the server. */
export interface Refresh {
  readonly before: Database;
  readonly after: Database;
  readonly presented: number;
  readonly now: number;
  readonly decision: RotationDecision;
}

/** One reauthentication that reached the server. Of the real protocol's `after` is the same database as before. */
export interface Reauthentication {
  /** The generation that is handed out, if any is. */
  readonly issue: number | undefined;
  readonly after: Database;
}

/** The database right after sign-in, whose answer is generation 1. */
export function signIn(server: Server, now: number): Database {
  const row = server.protocol.initialRotation(milliseconds(now));
  return { row, ledger: { base: 0, issued: [row.pendingTo], issuedAt: now }, revoked: false };
}

/** A bearer who waits for the answer. */
export const bearer: Presenter = { hasProved: false, hasGone: false, hasWaited: false };

/** A bearer whose connection has closed. */
export const goneBearer: Presenter = { ...bearer, hasGone: true };

/** How long after an incident, in ticks, there is no second one. */
const NEXT_INCIDENT_AFTER = 3600;

/** The server's act on a refresh: decide and commit, at one moment. */
export function present(
  server: Server,
  before: Database,
  presented: number,
  now: number,
  presenter: Presenter = bearer,
): Refresh {
  const decision = server.protocol.decideRotation(before.row, presented, milliseconds(now), server.policy, presenter);
  return { before, after: commit(before, presented, now, decision, presenter), presented, now, decision };
}

/** The server's act on a reauthentication by password, with an access token of generation `held`. */
export function reauthenticate(server: Server, before: Database, held: number, now: number): Reauthentication {
  const reissued = server.protocol.generationToReissue(before.row, held, milliseconds(now));
  if (typeof reissued !== "object") return { issue: reissued, after: before };
  const { issue, next: row } = reissued;
  const { ledger } = before;
  return { issue, after: { ...before, row, ledger: { ...ledger, issued: [...ledger.issued, issue], issuedAt: now } } };
}

/** The newest generation that this database remembers having issued. */
export function newestIssued(database: Database): number {
  return database.ledger.issued.at(-1)!;
}

/** A database's row as numbers counted from `origin`; its clock reading is left out. */
export function rowKey(database: Database, origin: number): string {
  const { confirmed, pendingFrom, pendingTo } = database.row;
  const row = `${confirmed - origin}:${pendingFrom - origin}-${pendingTo - origin}`;
  return ledgerAgrees(database) ? row : `${row} ${ledgerKey(database.ledger, origin)}`;
}

/** Whether the row says exactly what the answers say. */
export function ledgerAgrees({ row, ledger }: Database): boolean {
  const { base, issued } = ledger;
  return (
    row.confirmed === base &&
    row.pendingFrom === issued[0] &&
    row.pendingTo === issued.at(-1) &&
    issued.length === row.pendingTo - row.pendingFrom + 1 &&
    row.reuseForgivenAt === (ledger.forgivenAt === undefined ? null : milliseconds(ledger.forgivenAt))
  );
}

/** A row in words. */
export function describeRow({ row: { confirmed, pendingFrom, pendingTo } }: Database): string {
  return `confirmed ${confirmed}, pending ${pendingFrom}…${pendingTo}`;
}

/** What the server did on a refresh, in words. */
export function describeRefresh({ presented, decision, after }: Refresh): string {
  if (decision.kind === "reuse") return `presents ${presented}: reuse, the session is revoked`;
  if (decision.kind === "forgiven") return `presents ${presented}: forgiven, nothing is issued (${describeRow(after)})`;
  return `presents ${presented}: ${decision.kind}, ${decision.issue} is issued (${describeRow(after)})`;
}

/** Of a client that has gone, what would be answered changes nothing. */
function commit(
  before: Database,
  presented: number,
  now: number,
  decision: RotationDecision,
  presenter: Presenter,
): Database {
  if (decision.kind === "reuse") return { ...before, revoked: true };
  const row = ("next" in decision && decision.next) || before.row;
  if (decision.kind === "forgiven") return { ...before, row, ledger: forgiven(before.ledger, now, presenter) };
  if (presenter.hasGone || decision.kind === "caught_up") return presenter.hasGone ? before : { ...before, row };
  return { row, ledger: record(before.ledger, presented, decision.issue, now), revoked: false };
}

function forgiven(ledger: Ledger, now: number, { hasWaited }: Presenter): Ledger {
  const { forgivenAt } = ledger;
  const isSameIncident = forgivenAt !== undefined && now - forgivenAt <= NEXT_INCIDENT_AFTER;
  return hasWaited || isSameIncident ? ledger : { ...ledger, forgivenAt: now };
}

function record(ledger: Ledger, presented: number, issue: number, now: number): Ledger {
  if (presented !== ledger.base) return { ...ledger, base: presented, issued: [issue], issuedAt: now };
  if (ledger.issued.includes(issue)) return ledger;
  return { ...ledger, base: presented, issued: [...ledger.issued, issue], issuedAt: now };
}

function ledgerKey({ base, issued }: Ledger, origin: number): string {
  return `${base - origin}>${issued.map((generation) => generation - origin)}`;
}

function milliseconds(ticks: number): number {
  return Math.round(ticks * 1000);
}
