import type { Command } from "commander";
import { isLatchkeyError } from "../../errors.ts";
import { type Session, sessionStatus } from "../../records/session.ts";
import { OperatorError } from "../failure.ts";
import type { OpenedIssuer } from "../open-issuer.ts";
import { instant, type Terminal, table } from "../terminal.ts";
import { withIssuer } from "../with-issuer.ts";
import { type ListOptions, limitOption, noteMore } from "./list-options.ts";
import { findUser } from "./user.ts";

/** `latchkey session …` */
export function addSessionCommands(program: Command, terminal: Terminal): void {
  const session = program.command("session").description("who is signed in, and on which device");

  session
    .command("list")
    .description("list live sessions, newest first")
    .option("--user <username>", "list only this user's sessions")
    .addOption(limitOption())
    .option("--json", "print JSON")
    .action(({ user, limit, json }: ListOptions & { user?: string }) =>
      withIssuer(async (opened) => {
        const found = await listSessions(opened, user, limit + 1);
        const shown = found.slice(0, limit);
        const named = await withNames(opened, shown);
        terminal.out(json ? `${JSON.stringify(named.map(sessionJson), undefined, 2)}\n` : sessionTable(named));
        if (found.length > limit) noteMore(terminal, "--limit shows more, --user shows those of one user");
      }),
    );

  session
    .command("revoke")
    .description("revoke one session, all sessions of a user, or all sessions")
    .argument("[id]", "the session's id")
    .option("--user <username>", "revoke every session of this user")
    .option("--all", "revoke every session, for example after restoring a backup")
    .option("--yes", "with --all: do it")
    .action((id: string | undefined, { user, all, yes }: { user?: string; all?: true; yes?: true }) => {
      if ([id, user, all].filter((one) => one !== undefined).length !== 1) {
        throw new OperatorError(
          "Name one: a session's id, --user <username> or --all. 'latchkey session list' shows ids and usernames.",
        );
      }
      return withIssuer(async (opened) => {
        if (all === true) terminal.out(await revokeEverybodys(opened, yes === true));
        else {
          const ended = id === undefined ? await revokeAll(opened, user ?? "") : await revokeOne(opened, id);
          terminal.out(`${ended} A running server refuses its access tokens within a second.\n`);
        }
      });
    });
}

async function revokeEverybodys({ issuer, store }: OpenedIssuer, isConfirmed: boolean): Promise<string> {
  if (!isConfirmed) {
    const { liveSessions } = await store.count(issuer.options.environment.clock.now());
    throw new OperatorError(
      `This would end ${sessions(liveSessions)} and sign everyone out. Re-run with --yes to proceed.`,
    );
  }
  const count = await issuer.sessions.revokeEvery();
  return `Ended ${sessions(count)}. Within a second, a running server refuses every access token issued before.\n`;
}

function sessions(count: number): string {
  return count === 1 ? "1 session" : `${count} sessions`;
}

async function listSessions(
  { issuer, store }: OpenedIssuer,
  user: string | undefined,
  limit: number,
): Promise<readonly Session[]> {
  if (user !== undefined) return issuer.sessions.list((await findUser(store, user)).id, limit);
  const now = issuer.options.environment.clock.now();
  const sessions = await store.listLiveSessions(now, limit);
  return sessions.filter((session) => sessionStatus(session, now, issuer.options) === "live");
}

async function revokeOne({ issuer }: OpenedIssuer, id: string): Promise<string> {
  try {
    await issuer.sessions.revoke(id);
    return `Revoked session ${id}.`;
  } catch (error) {
    if (!isLatchkeyError(error) || error.code !== "not_found") throw error;
    throw new OperatorError("No session has this id. 'latchkey session list' shows all sessions.");
  }
}

async function revokeAll({ issuer, store }: OpenedIssuer, username: string): Promise<string> {
  const user = await findUser(store, username);
  const count = await issuer.logoutAll(user.id);
  return `${user.username}: revoked ${sessions(count)}.`;
}

interface NamedSession {
  readonly session: Session;
  readonly endsAt: number;
  /** `null` where the subject is not a user of Latchkey's. */
  readonly username: string | null;
}

async function withNames(
  { issuer, store }: OpenedIssuer,
  sessions: readonly Session[],
): Promise<readonly NamedSession[]> {
  const names = new Map<string, string | null>();
  for (const { subject } of sessions) {
    if (!names.has(subject)) names.set(subject, (await store.findUser(subject))?.username ?? null);
  }
  return sessions.map((session) => ({
    session,
    endsAt: issuer.sessions.endsAt(session),
    username: names.get(session.subject) ?? null,
  }));
}

function sessionJson({ session, endsAt, username }: NamedSession): object {
  return {
    id: session.id,
    subject: session.subject,
    username,
    client_id: session.clientId,
    device: session.device,
    user_agent: session.userAgent,
    ip: session.ip,
    created_at: new Date(session.createdAt).toISOString(),
    last_used_at: new Date(session.rotation.rotatedAt).toISOString(),
    expires_at: new Date(endsAt).toISOString(),
  };
}

function sessionTable(sessions: readonly NamedSession[]): string {
  return table(
    ["ID", "USER", "DEVICE", "ADDRESS", "SIGNED IN", "LAST USED", "ENDS"],
    sessions.map(({ session, endsAt, username }) => [
      session.id,
      username ?? session.subject,
      session.device ?? session.userAgent?.slice(0, 40) ?? "-",
      session.ip ?? "-",
      instant(session.createdAt),
      instant(session.rotation.rotatedAt),
      instant(endsAt),
    ]),
  );
}
