// Given to a server process with `--import`: its clock is the number in a file, and stands still until that is changed.
import { openSync, readSync } from "node:fs";

const file = openSync(process.env.STILL_CLOCK ?? "", "r");
const milliseconds = Buffer.alloc(8);
Date.now = () => {
  readSync(file, milliseconds, 0, 8, 0);
  return milliseconds.readDoubleLE();
};
