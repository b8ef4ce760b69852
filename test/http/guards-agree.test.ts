import { describe, expect, it } from "vitest";
import { createGuard, type LatchkeyError } from "../../src/index.ts";
import { createProofKey, hashOf, proofBy } from "../support/dpop-proofs.ts";
import { signedIn } from "../support/signed-in.ts";
import { createTestBed, ISSUER, PASSWORD } from "../support/test-bed.ts";

const codeOf = (admission: Promise<unknown>) =>
  admission.then(
    () => "let through",
    (error: LatchkeyError) => error.code,
  );

describe("several guards of one request", () => {
  it("share one refresh, though they ask at the same time and keep the request as it was sent", async () => {
    const bed = await createTestBed();
    const jar = (await signedIn(bed)).jar.drop("access");
    const request = { method: "GET", url: `${ISSUER}/`, headers: new Headers(jar.header()) };
    const guards = Array.from({ length: 6 }, () => createGuard(bed.issuer));
    const admissions = await Promise.all(guards.map((guard) => guard.admit(request)));
    // After the grace window a second refresh would bring another pair.
    bed.clock.advanceSeconds(60);
    admissions.push(await guards[0]!.admit(request));
    expect(new Set(admissions.map(({ setCookies }) => setCookies.map((line) => line.split(";")[0]).join())).size).toBe(
      1,
    );
    expect(bed.events.filter(({ type }) => type === "session.refreshed")).toHaveLength(1);
  });

  it("each verify the new access token again, so that a request which stays open does not outlive session or token", async () => {
    const bed = await createTestBed();
    const guard = createGuard(bed.issuer);
    const asking = async () => ({
      method: "GET",
      url: `${ISSUER}/`,
      headers: new Headers((await signedIn(bed)).jar.drop("access").header()),
    });
    const [revoked, old] = [await asking(), await asking()];
    const { auth } = await guard.admit(revoked);
    await guard.admit(old);
    await bed.issuer.sessions.revoke(auth.sid!);
    expect(await codeOf(guard.admit(revoked))).toBe("session_revoked");
    expect(await codeOf(guard.admit(old))).toBe("let through");
    bed.clock.advanceSeconds(1000);
    expect(await codeOf(guard.admit(old))).toBe("access_token_expired");
  });

  it("share a failed refresh, which is tried and counted once", async () => {
    const bed = await createTestBed();
    const jar = (await signedIn(bed)).jar.drop("access");
    for (let token = jar.get("refresh"), time = 0; time < 2; time++) {
      token = (await bed.issuer.refresh(token)).refreshToken;
      bed.clock.advanceSeconds(11);
    }
    const request = { method: "GET", url: `${ISSUER}/`, headers: new Headers(jar.header()) };
    const guard = createGuard(bed.issuer);
    expect([await codeOf(guard.admit(request)), await codeOf(guard.admit(request))]).toEqual([
      "refresh_token_reused",
      "refresh_token_reused",
    ]);
  });

  it("each ask for the CSRF proof by their own allowed origins", async () => {
    const bed = await createTestBed();
    const jar = (await signedIn(bed)).jar.drop("access");
    const origin = "https://app.example.com";
    const headers = new Headers({ ...jar.header(), origin, "x-csrf-token": jar.get("csrf") });
    const request = { method: "POST", url: `${ISSUER}/`, headers };
    expect(await codeOf(createGuard(bed.issuer, { allowedOrigins: [origin] }).admit(request))).toBe("let through");
    expect(await codeOf(createGuard(bed.issuer).admit(request))).toBe("cross_site_request");
  });

  it("take one DPoP proof between them, which is used up for every other request", async () => {
    const bed = await createTestBed();
    await bed.login();
    const key = await createProofKey();
    const json = { username: "ada", password: PASSWORD };
    const dpopAt = (path: string, method: string, token?: string) =>
      proofBy(key, bed.clock, { method, path, ...(token !== undefined && { claims: { ath: hashOf(token) } }) });
    const login = await bed.call("POST", "/auth/login", {
      json,
      headers: { dpop: await dpopAt("/auth/login", "POST") },
    });
    const token: string = login.body.access_token;
    const headers = new Headers({ authorization: `DPoP ${token}`, dpop: await dpopAt("/orders", "GET", token) });
    const request = { method: "GET", url: `${ISSUER}/orders`, headers };
    const guard = createGuard(bed.issuer);
    expect([await codeOf(guard.admit(request)), await codeOf(guard.admit(request))]).toEqual([
      "let through",
      "let through",
    ]);
    expect(await codeOf(guard.admit({ ...request }))).toBe("invalid_dpop_proof");
    await bed.issuer.sessions.revoke(login.body.session_id);
    expect(await codeOf(guard.admit(request))).toBe("invalid_access_token");
  });
});
