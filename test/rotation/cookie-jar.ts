import {
  describeRefresh,
  describeRow,
  newestIssued,
  present,
  reauthenticate,
  type Server,
  signIn,
} from "./database.ts";
import { age, ranks, remaining, rowByRank, rowGenerations } from "./normal-form.ts";
import type { Step, World, WorldState } from "./walk.ts";

/** What the jar holds: the newest response wins, whichever request it answers. */
interface Cookies {
  readonly generation: number;
  /** When the access token expires, in ticks. */
  readonly expiresAt: number;
}

/** A request between the jar and the server: on its way there, or (with an answer) on its way back. */
interface Flight {
  readonly asks: "refresh" | "reauthentication";
  readonly sentAt: number;
  /** What the jar held when the request was sent. */
  readonly carries: Cookies;
  readonly answer: Cookies | undefined;
}

/** One cookie jar that several tabs send from. */
export interface CookieJarState extends WorldState {
  readonly now: number;
  readonly jar: Cookies;
  readonly flights: readonly Flight[];
}

export interface CookieJarOptions {
  /** How long an access token lives, in ticks. */
  readonly accessLife: number;
  /** The most requests under way at once. */
  readonly parallel: number;
  /** Whether the tabs may also reauthenticate, at any time that the access token is good. */
  readonly reauthenticates?: boolean;
  /** Whether the jar sees that its access token has expired and refreshes, or the server sees it when a request arrives. */
  readonly refreshes: "expired when sent" | "expired on arrival";
  /**
   * When a request that has not come back is lost: so many ticks after it was sent, or when the jar first presents a
   * successor, that is, when its next burst begins. Until then every delay is possible.
   */
  readonly lostAfter: number | "the burst";
  /** Whether only responses take time. */
  readonly requestsArriveAtOnce?: boolean;
}

type JarStep = Step<CookieJarState>;

/**
 * The world of property 2: parallel refreshes and reauthentications, each response overwriting the jar, in any order.
 * Time goes forward.
 */
export function cookieJar(server: Server, options: CookieJarOptions): World<CookieJarState> {
  const { accessLife, parallel, reauthenticates, refreshes, lostAfter, requestsArriveAtOnce = false } = options;
  const grace = server.policy.rotationGraceSeconds;
  const longestDelay = lostAfter === "the burst" ? Number.POSITIVE_INFINITY : lostAfter;

  function* sendings({ jar, now, ...state }: CookieJarState): Iterable<JarStep> {
    const willExpire = refreshes === "expired when sent" ? jar.expiresAt <= now : jar.expiresAt <= now + longestDelay;
    const flights =
      lostAfter === "the burst"
        ? state.flights.filter(({ carries }) => carries.generation === jar.generation)
        : state.flights;
    if (!willExpire || flights.length === parallel) return;
    const sent: Flight = { asks: "refresh", sentAt: now, carries: jar, answer: undefined };
    const says = () => `at ${now} a tab sends a request with ${jar.generation}`;
    yield { says, leadsTo: { ...state, jar, now, flights: [...flights, sent] } };
  }

  function* reauthentications(state: CookieJarState): Iterable<JarStep> {
    const { jar, now, flights } = state;
    if (!reauthenticates || jar.expiresAt <= now || flights.length === parallel) return;
    const sent: Flight = { asks: "reauthentication", sentAt: now, carries: jar, answer: undefined };
    const says = () => `at ${now} a tab sends a reauthentication with ${jar.generation}`;
    yield { says, leadsTo: { ...state, flights: [...flights, sent] } };
  }

  function* arrivals(state: CookieJarState): Iterable<JarStep> {
    const { now, database, flights } = state;
    for (const [index, flight] of flights.entries()) {
      const { asks, sentAt, carries, answer } = flight;
      const hasExpired = carries.expiresAt <= now;
      if (answer !== undefined || hasExpired !== (asks === "refresh") || (requestsArriveAtOnce && sentAt < now))
        continue;
      const answering = (generation: number) =>
        flights.with(index, { ...flight, answer: { generation, expiresAt: now + accessLife } });
      if (asks === "reauthentication") {
        const { issue, after } = reauthenticate(server, database, carries.generation, now);
        if (issue === undefined) continue;
        const says = () =>
          `at ${now} the reauthentication of ${sentAt} holds ${carries.generation}: ${issue} is handed out (${describeRow(after)})`;
        yield { says, leadsTo: { ...state, database: after, flights: answering(issue) } };
        continue;
      }
      const refresh = present(server, database, carries.generation, now);
      const { after, decision } = refresh;
      const says = () => `at ${now} the request of ${sentAt} ${describeRefresh(refresh)}`;
      if (!("issue" in decision)) yield { says, leadsTo: { ...state, database: after }, refresh };
      else yield { says, leadsTo: { ...state, database: after, flights: answering(decision.issue) }, refresh };
    }
  }

  function* landings(state: CookieJarState): Iterable<JarStep> {
    const { now } = state;
    for (const [index, { asks, sentAt, answer }] of state.flights.entries()) {
      const sent = `${asks === "refresh" ? "request" : asks} of ${sentAt}`;
      const lost = { ...state, flights: state.flights.toSpliced(index, 1) };
      yield {
        says: () => `at ${now} the ${answer ? "response to the " : ""}${sent} is lost`,
        leadsTo: lost,
      };
      if (answer === undefined) continue;
      const says = () => `at ${now} the response to the ${sent} arrives, the jar holds ${answer.generation}`;
      yield { says, leadsTo: { ...lost, jar: answer } };
    }
  }

  function* ticks(state: CookieJarState): Iterable<JarStep> {
    const { now, flights } = state;
    if (flights.some(({ sentAt }) => now - sentAt === longestDelay)) return;
    yield { leadsTo: { ...state, now: now + 1 } };
  }

  function key({ database, now, jar, flights }: CookieJarState): string {
    const inFlight = flights.flatMap(({ carries, answer }) =>
      answer === undefined || lostAfter === "the burst"
        ? [carries.generation, (answer ?? carries).generation]
        : [answer.generation],
    );
    const rank = ranks([...rowGenerations(database), jar.generation, ...inFlight]);
    const cookies = ({ generation, expiresAt }: Cookies) => `${rank(generation)}/${remaining(expiresAt, now)}`;
    const flightKeys = flights.map(({ asks, sentAt, carries, answer }) => {
      const fate = lostAfter === "the burst" ? rank(carries.generation) : now - sentAt;
      if (answer !== undefined) return `${fate}<${cookies(answer)}`;
      return `${fate}${asks === "refresh" ? ">" : "?"}${cookies(carries)}`;
    });
    const row = `${rowByRank(database, rank)}@${age(database.row.rotatedAt / 1000, now, grace + 1)}`;
    return [database.revoked, row, cookies(jar), ...flightKeys.sort()].join(" ");
  }

  const database = signIn(server, 0);
  return {
    name: name(server, options),
    start: { database, now: 0, jar: { generation: newestIssued(database), expiresAt: accessLife }, flights: [] },
    steps: (state) =>
      state.database.revoked
        ? []
        : [...sendings(state), ...reauthentications(state), ...arrivals(state), ...landings(state), ...ticks(state)],
    key,
  };
}

function name(
  { policy }: Server,
  { accessLife, parallel, reauthenticates, refreshes, lostAfter }: CookieJarOptions,
): string {
  return [
    "cookie jar",
    ...(reauthenticates ? ["also reauthenticating"] : []),
    `access token ${refreshes}`,
    `${parallel} in parallel`,
    `access life ${accessLife}`,
    `grace ${policy.rotationGraceSeconds}`,
    lostAfter === "the burst" ? "any delay within the burst" : `delays up to ${lostAfter}`,
  ].join(", ");
}
