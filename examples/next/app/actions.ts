"use server";
import { admitAction } from "latchkey/next";
import { revalidatePath } from "next/cache";
import { redirect } from "next/navigation";
import { signedIn } from "../latchkey";
import { orders } from "../orders";

export async function order(form: FormData) {
  const { auth } = await admitAction(signedIn, form, { otherwise: () => redirect("/sign-in") });
  const all = await orders();
  all.set(auth.sub, [...(all.get(auth.sub) ?? []), String(form.get("item"))]);
  revalidatePath("/");
}
