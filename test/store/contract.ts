import { afterEach, beforeEach, describe } from "vitest";
import type { Store } from "../../src/store/store.ts";
import { describeAccessLifetimes } from "./contract-access-lifetimes.ts";
import { describeAttempts } from "./contract-attempts.ts";
import { describeClients } from "./contract-clients.ts";
import { describeCredentialsVersion } from "./contract-credentials-version.ts";
import { describeOperation } from "./contract-operation.ts";
import { describePasswordChange } from "./contract-password-change.ts";
import { describeProofOfPerson } from "./contract-proof-of-person.ts";
import { describeRevocation } from "./contract-revocation.ts";
import { describeSessions } from "./contract-sessions.ts";
import { describeSigningKeys } from "./contract-signing-keys.ts";
import { describeSweep } from "./contract-sweep.ts";
import { describeUsers } from "./contract-users.ts";
import type { OpenStore, StorePlace } from "./place.ts";

/** What every store must do, whatever it is made of. `createPlace` gives an empty place each time. */
export function describeStoreContract(name: string, createPlace: () => Promise<StorePlace>): void {
  describe(`${name} keeps the store contract`, () => {
    let place: StorePlace;
    let opened: Store[] = [];

    beforeEach(async () => {
      place = await createPlace();
    });
    afterEach(async () => {
      await Promise.all(opened.map((store) => store.close()));
      opened = [];
      await place.remove();
    });

    const open: OpenStore = async () => {
      const store = await place.open();
      opened.push(store);
      return store;
    };
    describe("sessions", () => describeSessions(open));
    describe("revocation", () => describeRevocation(open));
    describe("users", () => describeUsers(open));
    describe("a password change", () => describePasswordChange(open));
    describe("credentials", () => describeCredentialsVersion(open));
    describe("proofs", () => describeProofOfPerson(open));
    describe("clients", () => describeClients(open));
    describe("lives of access tokens", () => describeAccessLifetimes(open));
    describe("signing keys", () => describeSigningKeys(open));
    describe("attempts and operators", () => describeAttempts(open));
    describe("sweeping", () => describeSweep(open));
    describe("operation", () => describeOperation(open));
  });
}
