// Loaded before a server with `node --import`: its wall clock is off by as many milliseconds as the file CLOCK_OFFSET_FILE says,
// and steps when that changes. What measures durations goes on as it is, as on a machine whose clock is set.
import { readFileSync } from "node:fs";

const file = process.env.CLOCK_OFFSET_FILE ?? "";
let offsetMs = 0;

function read() {
  offsetMs = Number(readFileSync(file, "utf8"));
}

read();
setInterval(read, 50).unref();

const systemNow = Date.now;
const now = () => systemNow() + offsetMs;
globalThis.Date = new Proxy(Date, {
  get: (date, name) => (name === "now" ? now : Reflect.get(date, name)),
  construct: (date, given, target) => Reflect.construct(date, given.length === 0 ? [now()] : given, target),
});
