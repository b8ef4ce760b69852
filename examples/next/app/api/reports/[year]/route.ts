import { guarded } from "latchkey/next";
import { editors } from "../../../../latchkey";

export const GET = guarded(editors, async (request, { params }: RouteContext<"/api/reports/[year]">) =>
  Response.json({ by: request.auth.sub, year: (await params).year }),
);
