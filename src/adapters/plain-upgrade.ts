import type { IncomingMessage } from "node:http";

const OF_THE_UPGRADE = /^(?:upgrade|http2-settings)$/i;

/** The head of a request, without the request for another protocol. */
export function headWithoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name, value] = [rawHeaders[at]!, rawHeaders[at + 1]!];
    if (OF_THE_UPGRADE.test(name)) continue;
    const kept = name.toLowerCase() === "connection" ? withoutUpgrade(value) : value;
    if (kept !== "" || value === "") lines.push(`${name}: ${kept}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function withoutUpgrade(options: string): string {
  return options
    .split(",")
    .map((option) => option.trim())
    .filter((option) => !OF_THE_UPGRADE.test(option))
    .join(", ");
}
