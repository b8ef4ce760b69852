import { latchkey } from "latchkey/next";
import { handler } from "../../../latchkey";

export const { GET, POST, DELETE } = latchkey(handler);
