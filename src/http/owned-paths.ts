import { routes } from "./routes.ts";

/** Every path of the route table once, its parameters written `:name`: what an adapter hands to the handler, and no other path. */
export const ownedPaths: readonly string[] = [
  ...new Set(routes.flatMap(({ path, aliases }) => [path, ...(aliases === undefined ? [] : [`${path}/{issuer}`])])),
].map((path) => path.replace(/\{(\w+)\}/g, ":$1"));

const owned = new RegExp(`^(?:${ownedPaths.map(pathPattern).join("|")})$`);

/** Whether the handler answers on this path, so that a framework can go on to its own routes where it does not. */
export function isOwnedPath(pathname: string): boolean {
  return owned.test(pathname);
}

function pathPattern(path: string): string {
  return path.replace(/[.]/g, "\\.").replace(/:\w+/g, "[^/]+");
}
