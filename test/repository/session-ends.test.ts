import { describe, expect, it } from "vitest";
import { lint } from "./lint.ts";

const refusalsOf = (file: string, code: string) =>
  lint({ [file]: `${code}\n` })
    .filter(({ rule }) => rule === "plugin")
    .map(({ message }) => message);

describe("the end of a session has one door: announceRevoked", () => {
  it.each([
    ["what remembers an end by hand", "src/engine/revoke.ts", "revocations.add([id], at);"],
    ["what remembers it through the parts", "src/issuer.ts", "engine.revocations.add([id], at);"],
    [
      "an event that a session was revoked",
      "src/engine/groups/users.ts",
      'emit({ type: "session.revoked", subject }, {});',
    ],
    ["an event of a logout", "src/engine/revoke.ts", 'engine.emit({ type: "session.logged_out" }, context);'],
    ["an event of a reuse", "src/engine/refresh.ts", 'emit({ type: "refresh_token.reused" }, context);'],
    ["such an event in a condition", "src/issuer.ts", 'emit(ok ? { type: "session.revoked" } : other, {});'],
  ])("refuses %s", (_what, file, code) => {
    expect(refusalsOf(file, code)).toEqual([
      "What has ended goes through announceRevoked(), which remembers and announces it.",
    ]);
  });

  it("lets announce-revoked.ts do both", () => {
    const code = 'revocations.add([id], at);\nemit({ type: "session.revoked" }, context);';
    expect(refusalsOf("src/engine/announce-revoked.ts", code)).toEqual([]);
  });

  it("lets other events pass", () => {
    expect(refusalsOf("src/engine/groups/users.ts", 'emit({ type: "user.disabled", subject }, context);')).toEqual([]);
  });

  it("lets other memory pass, and what only names such an event", () => {
    const code = 'names.add(id);\nexport const levels = { "session.revoked": "info" };';
    expect(refusalsOf("src/server/process/logger.ts", code)).toEqual([]);
  });
});
