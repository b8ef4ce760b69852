/**
 * What the person reads when a tool failed: the cause, what to do, and whether the tool's own output should be shown too.
 * @typedef {{ readonly cause: string, readonly remedy: string, readonly show: boolean }} Explanation
 */

const unreachable =
  /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT)\b/;

/**
 * What npm, the compiler and the system say, what it means, and what to do about it. The first that fits is taken.
 * @type {readonly (readonly [pattern: RegExp, cause: string, remedy: string])[]}
 */
const knownCauses = [
  [/\b(?:ENOSPC|EDQUOT)\b|no space left on device/, "the disk is full", "Free some space"],
  [unreachable, "the package registry cannot be reached", "Check the network and its proxy"],
  [
    /\b(?:CERT_[A-Z_]+|UNABLE_TO_[A-Z_]+|(?:DEPTH_ZERO_)?SELF_SIGNED_CERT[A-Z_]*)\b/,
    "the package registry's certificate is not trusted",
    "Name your proxy's certificate in NODE_EXTRA_CA_CERTS",
  ],
  [
    /\b(?:E401|E403|ENEEDAUTH)\b/,
    "the package registry refuses access",
    "Look at 'npm config get registry' and sign in there",
  ],
  [/\b(?:E404|ETARGET)\b/, "the package registry lacks a package that is needed", "Look at 'npm config get registry'"],
  [/\bEINTEGRITY\b/, "a downloaded package is not the one in package-lock.json", "Run 'npm cache verify'"],
  [/\bEUSAGE\b/, "package.json and package-lock.json do not agree", "Run 'npm install'"],
  [/\b(?:EACCES|EPERM|EROFS)\b/, "a file may not be written", "Make this folder and npm's cache writable for yourself"],
];

/**
 * Whether what npm printed means that there is no way to the package registry.
 * @param {string} output
 */
export function registryIsUnreachable(output) {
  return unreachable.test(output);
}

/**
 * Explains why a tool failed.
 * @param {number | string} code its exit code, or the name of what ended it
 * @param {string} output all that it printed
 * @returns {Explanation}
 */
export function explainFailure(code, output) {
  if (code === "ENOENT") return { cause: "npm is not here", remedy: "Install it (it comes with Node.js)", show: false };
  if (typeof code === "string") return { cause: `it was ended by ${code}`, remedy: "Leave it running", show: false };
  if (/\berror TS\d+:/.test(output) && !/no space left/.test(output)) {
    return { cause: "the compiler found errors", remedy: "Mend them", show: true };
  }
  const said = /^npm (?:error|ERR!) code (\S+)/m.exec(output)?.[1] ?? output;
  for (const [pattern, cause, remedy] of knownCauses) {
    const [word] = pattern.exec(said) ?? [];
    if (word !== undefined) return { cause: `${cause} (${word})`, remedy, show: false };
  }
  return { cause: "see what was printed", remedy: "Mend that", show: true };
}
