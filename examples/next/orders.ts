// Stands for a database.
import { shared } from "latchkey/next";

export const orders = shared("orders", async () => new Map<string, string[]>());
