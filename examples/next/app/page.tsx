import { admitPage } from "latchkey/next";
import { redirect } from "next/navigation";
import { issuer, signedIn } from "../latchkey";
import { orders } from "../orders";
import { order } from "./actions";
import { SignOut } from "./sign-out";

export default async function Page() {
  const { auth } = await admitPage(signedIn, { otherwise: () => redirect("/sign-in") });
  const csrfToken = (await issuer()).csrfToken(auth.sid!);
  return (
    <main>
      <p>Signed in: {auth.sub}</p>
      <ul>
        {(await orders()).get(auth.sub)?.map((item) => (
          <li key={item}>{item}</li>
        ))}
      </ul>
      <form action={order}>
        <input type="hidden" name="csrf_token" value={csrfToken} />
        <input name="item" /> <button type="submit">Order</button>
      </form>
      <SignOut csrfToken={csrfToken} />
    </main>
  );
}
