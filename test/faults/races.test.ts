import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { TokenPair } from "../../src/index.ts";
import { report, seed, times } from "../support/long-run.ts";
import { type Below, pick, seededRandom } from "../support/seeded-random.ts";
import { PASSWORD } from "../support/test-bed.ts";
import { createSubjects, openTwoProcesses, type TwoProcesses, withTwoProcesses } from "./two-processes.ts";
import type { WireAnswer } from "./wire.ts";

withTwoProcesses();

/** Races that cost no password hash, and races of which each costs several. */
const cheapRaces = times({ short: 200, long: 2000 });
const dearRaces = times({ short: 20, long: 200 });
const MANY_AT_ONCE = 20;
/** Far more than fit between the start of an act and its acknowledgement. */
const MOST_TURNS = 5000;
/** Few, so that a login takes as long as the wait before what it races. */
const FEW_AT_ONCE = 4;
const TIMEOUT = { timeout: 120_000 + cheapRaces * 100 + dearRaces * 3000 };

const OLD_PASSWORD = "old password of somebody";
/** Of {@link OLD_PASSWORD}, by another system: the first who signs in with it has it replaced. */
const IMPORTED_HASH = "$2b$04$eUUbx7v5CD2AL0vUfc/BaenZgi2sC9Twb.648Wa7SlZl3YmGIREBu";

/** Races `count` times, some at once, and reports what was counted. */
async function raceAll(
  run: string,
  count: number,
  race: (nth: number, below: Below) => Promise<Readonly<Record<string, number>>>,
): Promise<Readonly<Record<string, number>>> {
  const below = seededRandom(seed);
  const began = performance.now();
  const found: Record<string, number> = {};
  const atOnce = count === dearRaces ? FEW_AT_ONCE : MANY_AT_ONCE;
  for (let nth = 0; nth < count; nth += atOnce) {
    const size = Math.min(atOnce, count - nth);
    for (const counted of await Promise.all(Array.from({ length: size }, (_, at) => race(nth + at, below)))) {
      for (const [what, many] of Object.entries(counted)) found[what] = (found[what] ?? 0) + many;
    }
  }
  report({
    run: `${run}, two server processes, PostgreSQL`,
    count,
    seed,
    seconds: (performance.now() - began) / 1000,
    found,
  });
  return found;
}

function refresh({ wires }: TwoProcesses, at: number, bearer: string): Promise<WireAnswer> {
  return wires[at % 2]!.send({ path: "/auth/refresh", bearer });
}

async function login({ wires }: TwoProcesses, at: number, username: string, password: string): Promise<WireAnswer> {
  // Each person has an address of their own, so that nobody is slowed down for another's failures.
  const headers = { "X-Forwarded-For": addressOf(username) };
  const began = performance.now();
  const answer = await wires[at % 2]!.send({ path: "/auth/login", json: { username, password }, headers });
  loginMs = (loginMs + performance.now() - began) / 2;
  return answer;
}

let loginMs = 100;

function addressOf(username: string): string {
  const nth = Number(username.split("-")[1]);
  return `192.0.${nth >> 8}.${nth & 255}`;
}

/** How many of the tokens are answered, at either process. */
async function answered(processes: TwoProcesses, tokens: readonly string[]): Promise<number> {
  const answers = await Promise.all(tokens.flatMap((token) => [0, 1].map((at) => refresh(processes, at, token))));
  for (const { status, body } of answers) {
    if (status !== 200) expect([status, body.error]).toEqual([401, "session_revoked"]);
  }
  return answers.filter(({ status }) => status === 200).length;
}

/** A client that refreshes without a pause, at one process after the other, until it is refused; gives every token it had. */
async function refreshUntilRefused(processes: TwoProcesses, { refreshToken }: TokenPair): Promise<readonly string[]> {
  const tokens = [refreshToken];
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    const { status, body } = await refresh(processes, turn, tokens.at(-1)!);
    if (status !== 200) {
      expect([status, body.error]).toEqual([401, "session_revoked"]);
      return tokens;
    }
    tokens.push(body.refresh_token);
  }
  throw new Error("The session was never refused a refresh.");
}

/** About as long as logins take now, more or less: what races them is to come at any moment of one. */
async function waitForLogin(below: Below): Promise<void> {
  await wait(below(2 * Math.ceil(loginMs)));
}

async function liveSessionsOf({ sql }: TwoProcesses, subject: string): Promise<number> {
  const rows = await sql(`SELECT FROM latchkey.sessions WHERE subject = '${subject}' AND revoked_at IS NULL`);
  return rows.length;
}

describe(`a logout of all sessions that races a sign-in, across processes (seed ${seed})`, () => {
  it(
    "ends every session that was there before, and none that is opened after its acknowledgement",
    TIMEOUT,
    async () => {
      const processes = await openTwoProcesses();
      const { issuer, wires } = processes;
      const subjects = await createSubjects(processes, Math.min(cheapRaces, 1000));
      const found = await raceAll("logout-all against sign-in", cheapRaces, async (nth, below) => {
        const subject = subjects[nth % subjects.length]!;
        const [own, other] = await Promise.all([issuer.issue({ subject }), issuer.issue({ subject })]);
        const refreshing = refreshUntilRefused(processes, other);
        const racing = Promise.all([issuer.issue({ subject }), issuer.issue({ subject })]);
        const leaving = await pick(below, wires).send({ path: "/auth/logout-all", bearer: own.accessToken });
        expect(leaving.status).toBe(204);
        const later = await issuer.issue({ subject });
        const tokens = [own.refreshToken, ...(await refreshing)];
        const survivors = await Promise.all(
          (await racing).map(({ refreshToken }) => refresh(processes, nth, refreshToken)),
        );
        const before = await answered(processes, tokens);
        const after = await refresh(processes, nth, later.refreshToken);
        await issuer.logoutAll(subject);
        return {
          "older sessions refreshed": before,
          "later sessions refused": after.status === 200 ? 0 : 1,
          "sign-ins just before it": survivors.filter(({ status }) => status === 401).length,
          "sign-ins just after it": survivors.filter(({ status }) => status === 200).length,
        };
      });
      expect(found).toMatchObject({ "older sessions refreshed": 0, "later sessions refused": 0 });
    },
  );

  it("leaves a login with a password, under way meanwhile, either over or good, as its row says", TIMEOUT, async () => {
    const processes = await openTwoProcesses();
    const { issuer, wires } = processes;
    await importPeople(processes, dearRaces);
    const found = await raceAll("logout-all against login", dearRaces, async (nth, below) => {
      const subject = `person-${nth}`;
      const own = await issuer.issue({ subject });
      const loggingIn = login(processes, nth, subject, OLD_PASSWORD);
      await waitForLogin(below);
      const leaving = await pick(below, wires).send({ path: "/auth/logout-all", bearer: own.accessToken });
      expect(leaving.status).toBe(204);
      expect(await answered(processes, [own.refreshToken])).toBe(0);
      const { status, body } = await loggingIn;
      expect(status).toBe(200);
      const goesOn = (await answered(processes, [body.refresh_token])) > 0;
      expect(await liveSessionsOf(processes, subject)).toBe(goesOn ? 1 : 0);
      return { "logins over": goesOn ? 0 : 1, "logins good": goesOn ? 1 : 0 };
    });
    expect(Object.values(found).reduce((sum, many) => sum + many, 0)).toBe(dearRaces);
  });
});

/** People with the password {@link OLD_PASSWORD}, whose hash another system has made. */
async function importPeople({ issuer }: TwoProcesses, count: number): Promise<void> {
  await issuer.users.import(
    Array.from({ length: count }, (_, nth) => ({
      id: `person-${nth}`,
      username: `person-${nth}`,
      passwordHash: IMPORTED_HASH,
    })),
  );
}

describe(`a user who is disabled, across processes (seed ${seed})`, () => {
  it("refreshes nothing and gets no session once that is acknowledged, whatever was under way", TIMEOUT, async () => {
    const processes = await openTwoProcesses();
    const { issuer } = processes;
    const subjects = await createSubjects(processes, Math.min(cheapRaces, 1000));
    const found = await raceAll("disabling a user against refresh and sign-in", cheapRaces, async (nth) => {
      const subject = subjects[nth % subjects.length]!;
      const pairs = await Promise.all([issuer.issue({ subject }), issuer.issue({ subject })]);
      const refreshing = pairs.map((pair) => refreshUntilRefused(processes, pair));
      const signingIn = signInUntilRefused(processes, subject);
      await refresh(processes, nth, pairs[0].refreshToken);
      await issuer.users.disable(subject);
      const live = await liveSessionsOf(processes, subject);
      const late = await issuer.issue({ subject }).then(
        () => 1,
        () => 0,
      );
      const tokens = [...(await Promise.all(refreshing)).flat(), ...(await signingIn)];
      const refreshes = await answered(processes, tokens);
      await issuer.users.enable(subject);
      return {
        "tokens handed out": tokens.length,
        "refreshes after the acknowledgement": refreshes,
        "sign-ins after the acknowledgement": late,
        "sessions left": live + (await liveSessionsOf(processes, subject)),
      };
    });
    expect(found).toMatchObject({
      "refreshes after the acknowledgement": 0,
      "sign-ins after the acknowledgement": 0,
      "sessions left": 0,
    });
  });

  it("whose password is just being verified gets no session either", TIMEOUT, async () => {
    const processes = await openTwoProcesses();
    const { issuer } = processes;
    await importPeople(processes, dearRaces);
    const found = await raceAll("disabling a user against login", dearRaces, async (nth, below) => {
      const username = `person-${nth}`;
      const loggingIn = login(processes, nth, username, OLD_PASSWORD);
      await waitForLogin(below);
      await issuer.users.disable(username);
      const live = await liveSessionsOf(processes, username);
      const { status, body } = await loggingIn;
      const refreshes = status === 200 ? await answered(processes, [body.refresh_token]) : 0;
      if (status !== 200) expect([status, body.error]).toEqual([401, "invalid_credentials"]);
      return {
        "logins before it": status === 200 ? 1 : 0,
        "logins refused": status === 200 ? 0 : 1,
        "refreshes after it": refreshes,
        "sessions left": live + (await liveSessionsOf(processes, username)),
      };
    });
    expect(found).toMatchObject({ "refreshes after it": 0, "sessions left": 0 });
  });
});

/** Opens sessions until that is refused; gives their tokens. */
async function signInUntilRefused({ issuer }: TwoProcesses, subject: string): Promise<readonly string[]> {
  const tokens: string[] = [];
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    try {
      tokens.push((await issuer.issue({ subject })).refreshToken);
    } catch (error) {
      expect(error).toMatchObject({ code: "invalid_credentials" });
      return tokens;
    }
  }
  throw new Error("The user was never refused a session.");
}

describe(`a password that is changed, across processes (seed ${seed})`, () => {
  it(
    "never gives way to the old one, whose imported hash a login replaces meanwhile, and ends every session but the new one",
    TIMEOUT,
    async () => {
      const processes = await openTwoProcesses();
      const { issuer, wires } = processes;
      await importPeople(processes, dearRaces);
      const found = await raceAll("password change against rehash and refresh", dearRaces, async (nth, below) => {
        const subject = `person-${nth}`;
        const [own, other] = await Promise.all([issuer.issue({ subject }), issuer.issue({ subject })]);
        const refreshing = refreshUntilRefused(processes, other);
        const loggingIn = login(processes, nth, subject, OLD_PASSWORD);
        await waitForLogin(below);
        let retries = -1;
        let changed: WireAnswer;
        do {
          // The hash was replaced between the look at it and the change: nothing has happened, and the person tries again.
          changed = await wires[(nth + 1) % 2]!.send({
            path: "/auth/password",
            bearer: own.accessToken,
            json: { current_password: OLD_PASSWORD, new_password: PASSWORD },
            headers: { "X-Forwarded-For": addressOf(subject) },
          });
          retries += 1;
        } while (changed.status === 403 && retries < 3);
        expect(changed.status).toBe(200);
        const tokens = [...(await refreshing)];
        const { status, body } = await loggingIn;
        if (status === 200) tokens.push(body.refresh_token);
        const after = await answered(processes, tokens);
        const logins = await Promise.all(
          [OLD_PASSWORD, PASSWORD].map((password) => login(processes, nth, subject, password)),
        );
        expect((await refresh(processes, nth, own.refreshToken)).body.error).toBe("session_revoked");
        expect((await refresh(processes, nth, changed.body.refresh_token)).status).toBe(200);
        return {
          "logins with the old password": logins[0]!.status === 200 ? 1 : 0,
          "logins with the new one refused": logins[1]!.status === 200 ? 0 : 1,
          "refreshes of other sessions": after,
          "changes tried again": retries,
        };
      });
      expect(found).toMatchObject({
        "logins with the old password": 0,
        "logins with the new one refused": 0,
        "refreshes of other sessions": 0,
      });
    },
  );
});

const COUNT_WRITES = `
  CREATE TABLE writes (id bytea);
  CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO public.writes VALUES (NEW.id); RETURN NULL; END $$;
  CREATE TRIGGER count_write AFTER UPDATE ON latchkey.sessions FOR EACH ROW EXECUTE FUNCTION count_write()`;

const SESSIONS = 100;
const batchRounds = times({ short: 15, long: 150 });

it(
  `${batchRounds} times ${SESSIONS} sessions refreshed at both processes: one successor and one row write each`,
  TIMEOUT,
  async () => {
    const processes = await openTwoProcesses();
    const { issuer, sql } = processes;
    const below = seededRandom(seed);
    const subjects = await createSubjects(processes, SESSIONS);
    const pairs = await Promise.all(subjects.map((subject) => issuer.issue({ subject })));
    let tokens = pairs.map(({ refreshToken }) => refreshToken);
    await sql(COUNT_WRITES);
    const began = performance.now();
    for (let round = 1; round <= batchRounds; round++) {
      // In an order of its own at each process.
      const inOrder = async (at: number) => {
        const order = tokens.map((_, index) => index).sort(() => below(3) - 1);
        const answers = new Array<WireAnswer>(SESSIONS);
        await Promise.all(
          order.map(async (index) => {
            answers[index] = await refresh(processes, at, tokens[index]!);
          }),
        );
        return answers;
      };
      const [one, other] = await Promise.all([inOrder(0), inOrder(1)]);
      expect(new Set([...one, ...other].map(({ status }) => status))).toEqual(new Set([200]));
      const successors = one.map(({ body }) => body.refresh_token);
      expect(other.map(({ body }) => body.refresh_token)).toEqual(successors);
      tokens = successors;
      expect(await sql("SELECT count(*)::int AS writes, count(DISTINCT id)::int AS sessions FROM writes")).toEqual([
        { writes: SESSIONS * round, sessions: SESSIONS },
      ]);
    }
    const [{ deadlocks }] = await sql("SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()");
    report({
      run: `${SESSIONS} sessions refreshed at both of two server processes at once, PostgreSQL`,
      count: batchRounds,
      seed,
      seconds: (performance.now() - began) / 1000,
      found: { refreshes: 2 * SESSIONS * batchRounds, "row writes": SESSIONS * batchRounds, deadlocks },
    });
    expect(deadlocks).toBe(0);
  },
);
