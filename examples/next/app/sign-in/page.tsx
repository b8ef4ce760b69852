"use client";
import { type SubmitEvent, useState } from "react";

export default function SignIn() {
  const [problem, setProblem] = useState<string>();

  async function signIn(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const { username, password } = Object.fromEntries(new FormData(event.currentTarget));
    const answer = await fetch("/auth/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username, password, transport: "cookie" }),
    });
    if (answer.ok) location.assign("/");
    else setProblem((await answer.json()).error_description);
  }

  return (
    <form onSubmit={signIn}>
      <input name="username" autoComplete="username" />
      <input name="password" type="password" autoComplete="current-password" />
      <button type="submit">Sign in</button>
      <p role="alert">{problem}</p>
    </form>
  );
}
