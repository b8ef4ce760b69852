// Pages cannot set cookies, so the session of a page is renewed here, before it is rendered.
import { renewed } from "latchkey/next";
import { visitors } from "./latchkey";

export const proxy = renewed(visitors);

// Route handlers behind `guarded` renew by themselves.
export const config = { matcher: "/((?!_next/|api/).*)" };
