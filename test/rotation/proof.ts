import { type CookieJarOptions, cookieJar } from "./cookie-jar.ts";
import type { Protocol, Server } from "./database.ts";
import { ownerAndThief, type TheftOptions } from "./owner-and-thief.ts";
import {
  caughtAtTheFirstRefresh,
  caughtAtTheSecondRefresh,
  forgivenOnceAnHour,
  heldIsReissued,
  holderIsNeverLoggedOut,
  jarIsNeverLoggedOut,
  oneWriteAtMost,
  onlyCurrentGenerations,
  provedIsNoThief,
} from "./properties.ts";
import { type ReloadingOptions, reloading } from "./reloading.ts";
import { type SingleHolderOptions, singleHolder } from "./single-holder.ts";
import type { Property, World, WorldState } from "./walk.ts";

/** How far the walks go: enough to catch every mutant, what every run of the tests proves, or what a long run proves. */
export type Reach = "short" | "usual" | "deep";

/** One walk of the proof, and what it must not find. */
export interface Claim<S extends WorldState = WorldState> {
  readonly world: World<S>;
  readonly properties: readonly Property<S>[];
}

/** Takes a claim whatever its world's states are. */
export type ClaimVisitor = <S extends WorldState>(claim: Claim<S>) => void;

/** Everything that is claimed of a protocol, claim by claim: each property in every world that it is promised for. */
export function claims(protocol: Protocol, reach: Reach, visit: ClaimVisitor): void {
  const pick = (short: number, usual: number, deep: number) => ({ short, usual, deep })[reach];
  // One server, and one of each property, for all worlds of a policy: what has been held against a row is not held against it again.
  const servers = new Map<number, Server>();
  const serverWith = (rotationGraceSeconds: number): Server => {
    const known = servers.get(rotationGraceSeconds);
    const server = known ?? { protocol, policy: { rotationGraceSeconds, staleWithProof: "answer" } };
    servers.set(rotationGraceSeconds, server);
    return server;
  };

  const checked = new Map<Server, readonly Property<WorldState>[]>();
  const everywhere = (server: Server) => {
    const properties = checked.get(server) ?? [
      onlyCurrentGenerations(server),
      oneWriteAtMost(server),
      heldIsReissued(server),
      provedIsNoThief(server),
      forgivenOnceAnHour(server),
    ];
    checked.set(server, properties);
    return properties;
  };

  const single = (options: SingleHolderOptions) => {
    const server = serverWith(2);
    visit({ world: singleHolder(server, options), properties: [holderIsNeverLoggedOut, ...everywhere(server)] });
  };
  const jar = (grace: number, options: CookieJarOptions) => {
    const server = serverWith(grace);
    const promised = grace === 0 ? [] : [jarIsNeverLoggedOut];
    visit({ world: cookieJar(server, options), properties: [...promised, ...everywhere(server)] });
  };
  const reload = (grace: number, options: ReloadingOptions) => {
    const server = serverWith(grace);
    visit({ world: reloading(server, options), properties: [holderIsNeverLoggedOut, ...everywhere(server)] });
  };
  const theft = (grace: number, options: TheftOptions) => {
    const server = serverWith(grace);
    const caught = grace === 0 ? caughtAtTheFirstRefresh : caughtAtTheSecondRefresh;
    visit({ world: ownerAndThief(server, options), properties: [caught, ...everywhere(server)] });
  };

  const history = "earlier states of this history";
  const anyState = "any state ever seen";
  const late = "arrive before the successor is used";
  const reauthenticates = true;
  single({ restores: history, siblingLimit: pick(3, 20, 60), reauthenticates });
  single({ restores: history, generationLimit: pick(5, 9, 13), reauthenticates });
  single({ restores: history, siblingLimit: pick(2, 8, 20), abandonedRequests: late, reauthenticates });
  single({ restores: anyState, restoreLimit: 3, siblingLimit: pick(2, 4, 6), reauthenticates });
  single({ restores: anyState, restoreLimit: 3, generationLimit: pick(3, 4, 6), reauthenticates });

  for (const refreshes of ["expired when sent", "expired on arrival"] as const) {
    const share = refreshes === "expired when sent" ? 2 : 3;
    for (const lostAfter of { short: [2], usual: [1, 2, 3], deep: [1, 2, 3, 4, 5] }[reach]) {
      const accessLife = share * lostAfter + 1;
      const parallel = pick(2, 3, 4);
      if (reach !== "short") jar(1, { refreshes, lostAfter, accessLife, parallel });
      jar(2, { refreshes, lostAfter, accessLife, parallel });
    }
    for (const lostAfter of { short: [1], usual: [1, 2], deep: [1, 2, 3] }[reach]) {
      const accessLife = share * lostAfter + 1;
      const parallel = lostAfter === 1 ? pick(2, 2, 3) : 2;
      jar(1, { refreshes, lostAfter, accessLife, parallel, reauthenticates });
    }
    jar(1, { refreshes, lostAfter: "the burst", accessLife: 4, parallel: pick(2, 4, 6) });
    jar(1, { refreshes, lostAfter: "the burst", accessLife: 4, parallel: pick(2, 2, 3), reauthenticates });
    jar(0, { refreshes, lostAfter: "the burst", accessLife: 4, parallel: pick(2, 4, 6) });
  }

  for (const thieves of reach === "short" ? [1] : [1, 2]) {
    theft(1, { thieves, refreshes: "more than a grace window apart", reauthenticates });
    theft(2, { thieves, refreshes: "more than a grace window apart", reauthenticates });
    theft(0, { thieves, refreshes: "at any time", reauthenticates });
  }
  reload(10, { stuckLimit: pick(2, 6, 8) });
  theft(10, { thieves: pick(1, 1, 2), refreshes: "more than a grace window apart", hangUp: true });
  theft(0, { thieves: pick(1, 1, 2), refreshes: "at any time", hangUp: true });
}
