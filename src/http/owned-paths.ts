import { routes } from "./routes.ts";

/**
 * Every path of the route table once, its parameters written `:name`: the paths that an adapter passes to the handler,
 * and no others.
 */
export const ownedPaths: readonly string[] = [
  ...new Set(routes.flatMap(({ path, aliases }) => [path, ...(aliases === undefined ? [] : [`${path}/{issuer}`])])),
].map((path) => path.replace(/\{(\w+)\}/g, ":$1"));

const owned = new RegExp(`^(?:${ownedPaths.map(pathPattern).join("|")})$`);

/** Whether the handler answers on this path, so that otherwise a framework can continue with its own routes. */
export function isOwnedPath(pathname: string): boolean {
  return owned.test(pathname);
}

function pathPattern(path: string): string {
  return path.replace(/[.]/g, "\\.").replace(/:\w+/g, "[^/]+");
}
