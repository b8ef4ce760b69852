import { describe, expect, it } from "vitest";
import { normaliseRoles } from "../../src/accounts/roles.ts";
import { ADMIN_ROLE } from "../../src/records/user.ts";

describe("roles", () => {
  it("are sorted and each kept once", () => {
    expect(normaliseRoles(["staff", "admin", "staff", "billing:read"])).toEqual(["admin", "billing:read", "staff"]);
    expect(normaliseRoles([])).toEqual([]);
    expect(normaliseRoles([ADMIN_ROLE])).toEqual(["admin"]);
  });

  it("of 1 to 64 characters out of a-z 0-9 : _ - are accepted, 32 of them at most", () => {
    expect(normaliseRoles(["a", "x".repeat(64), "a:b_c-9"])).toHaveLength(3);
    const many = Array.from({ length: 33 }, (_, index) => `role-${index}`);
    expect(normaliseRoles(many.slice(0, 32))).toHaveLength(32);
    expect(() => normaliseRoles(many)).toThrow(expect.objectContaining({ code: "invalid_request", status: 400 }));
    expect(normaliseRoles([...many.slice(0, 32), "role-0"])).toHaveLength(32);
  });

  it.each(["", "x".repeat(65), "Admin", "ad min", "admin,staff", "admin\n", "ádmin", "*"])("refuse %j", (role) => {
    expect(() => normaliseRoles([role])).toThrow(
      expect.objectContaining({ code: "invalid_request", description: expect.stringContaining("1 to 64 characters") }),
    );
  });
});
