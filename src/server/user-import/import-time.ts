/** A time, or why a value is none. */
export type TimeReading = { readonly milliseconds: number } | { readonly problem: string };

// RFC 3339, and as PostgreSQL and Python write it: with a space, fewer digits in the zone, or more in the fraction.
const INSTANT =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(?:([Zz])|(?:UTC|GMT)|([+-])(\d\d):?(\d\d)?)$/;
const WITHOUT_ZONE = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)?$/;

const FORMS = "Write it as 2024-03-01T10:00:00Z, or as a number of milliseconds since 1970";
const DAY_MS = 86_400_000;
/** In seconds this is the year 5138, in milliseconds the year 1973. */
const LEAST_MILLISECONDS = 100_000_000_000;

/**
 * Reads the time of an import: an ISO 8601 text with its zone, or whole milliseconds since the Unix epoch. Nothing is guessed,
 * and nothing read in this machine's time zone. No problem repeats the value.
 */
export function readImportTime(value: unknown, now: number): TimeReading {
  const reading = typeof value === "number" ? readNumber(value) : readText(value);
  if ("milliseconds" in reading && reading.milliseconds > now + DAY_MS) return wrong("lies in the future");
  return reading;
}

function readNumber(value: number): TimeReading {
  if (!Number.isInteger(value) || value < LEAST_MILLISECONDS)
    return wrong("is a number, but not one of milliseconds (perhaps of seconds)");
  return { milliseconds: value };
}

function readText(value: unknown): TimeReading {
  if (typeof value !== "string") return wrong("is not a time");
  const text = value.trim();
  if (WITHOUT_ZONE.test(text)) return wrong("has no time zone");
  const found = INSTANT.exec(text);
  if (found === null) return wrong("is ambiguous or not a time");
  const [, year, month, day, hour, minute, second = "0", fraction = "", , sign, zoneHours = "0", zoneMinutes = "0"] =
    found;
  const parts = [year, month, day, hour, minute, second, zoneHours, zoneMinutes].map(Number);
  const [y, mo, d, h, mi, s, zh, zm] = parts as [number, number, number, number, number, number, number, number];
  const local = new Date(Date.UTC(y, mo - 1, d, h, mi, s, Number(fraction.slice(0, 3).padEnd(3, "0"))));
  // A day that a month does not have would roll over into the next.
  const isReal = local.getUTCMonth() === mo - 1 && local.getUTCDate() === d && h < 24 && mi < 60 && s < 60;
  if (!isReal || y < 1970 || zh > 15 || zm > 59) return wrong("is not a date since 1970");
  const offsetMs = (zh * 60 + zm) * 60_000 * (sign === "-" ? -1 : 1);
  return { milliseconds: local.getTime() - offsetMs };
}

function wrong(what: string): TimeReading {
  return { problem: `The user cannot be imported: the time of creation ('created_at') ${what}. ${FORMS}` };
}
