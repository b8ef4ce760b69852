"use client";

export function SignOut({ csrfToken }: { csrfToken: string }) {
  async function signOut() {
    await fetch("/auth/logout", { method: "POST", headers: { "x-csrf-token": csrfToken } });
    location.assign("/sign-in");
  }
  return (
    <button type="button" onClick={signOut}>
      Sign out
    </button>
  );
}
