import { guarded } from "latchkey/next";
import { signedIn } from "../../../latchkey";
import { orders } from "../../../orders";

export const GET = guarded(signedIn, async (request) => {
  const { sub } = request.auth;
  return Response.json({ of: sub, orders: (await orders()).get(sub) ?? [] });
});

// Called by a page's own script, with the header `x-csrf-token`.
export const DELETE = guarded(signedIn, async (request) => {
  (await orders()).delete(request.auth.sub);
  return new Response(null, { status: 204 });
});
