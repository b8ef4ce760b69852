import type { z } from "@hono/zod-openapi";
import type { Endpoint } from "../../src/http/endpoint.ts";
import type { BodyRule } from "../../src/http/request/body.ts";
import { routes } from "../../src/http/routes.ts";
import { ISSUER, type Reply, reply, type TestBed } from "./test-bed.ts";

/** Stands in every text that is sent, so that no answer can repeat one unseen. */
export const CANARY = "zQ7canaryK2";

export type RouteWithBody = Endpoint & { readonly body: BodyRule };

export const routesWithBody = routes.filter((route): route is RouteWithBody => route.body !== undefined);

export const methodOf = ({ method }: Endpoint) => method.toUpperCase();

/** The route's path with a well-formed id, of nothing that exists, for each parameter. */
export const pathOf = ({ path }: Endpoint) => path.replace(/\{\w+\}/g, "A".repeat(22));

export const nameOf = (route: Endpoint) => `${methodOf(route)} ${route.path}`;

/** Each path of the table once, with the methods that it takes. */
export const methodsByPath: ReadonlyMap<string, ReadonlySet<string>> = routes.reduce((paths, route) => {
  const methods = paths.get(pathOf(route)) ?? new Set();
  return paths.set(pathOf(route), methods.add(methodOf(route)));
}, new Map<string, Set<string>>());

type Fields = Record<string, z.ZodType>;

export const fieldsOf = ({ body }: RouteWithBody): Fields => body.schema.shape as Fields;

export const isRequired = (field: z.ZodType) => !field.safeParse(undefined).success;

/** One value of each JSON type. */
export const jsonValues: readonly unknown[] = [CANARY, 42, true, null, [CANARY], { [CANARY]: CANARY }];

/** A body that has every required field, each of its type. What the fields say is good nowhere. */
export function shapedBody(route: RouteWithBody): Record<string, unknown> {
  const required = Object.entries(fieldsOf(route)).filter(([, field]) => isRequired(field));
  return Object.fromEntries(required.map(([name, field]) => [name, acceptedBy(field)]));
}

export function acceptedBy(field: z.ZodType): unknown {
  return [CANARY, 42, true, "body"].find((value) => field.safeParse(value).success);
}

export function encode({ body }: RouteWithBody, fields: Record<string, unknown>): string {
  if (body.format === "json") return JSON.stringify(fields);
  return new URLSearchParams(Object.entries(fields).map(([name, value]) => [name, String(value)])).toString();
}

export const contentTypeOf = ({ body }: RouteWithBody) =>
  body.format === "json" ? "application/json" : "application/x-www-form-urlencoded";

/** Sends bytes just as they are: a content type only where `headers` has one. */
export async function sendRaw(
  bed: TestBed,
  route: Endpoint,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream | undefined,
  headers: Readonly<Record<string, string>>,
): Promise<Reply> {
  const request = new Request(ISSUER + pathOf(route), {
    method: methodOf(route),
    headers,
    ...(body !== undefined && { body: typeof body === "string" ? new TextEncoder().encode(body) : body }),
    duplex: "half",
  } as RequestInit);
  return reply(await bed.handler.fetch(request, { remoteAddress: "192.0.2.1" }));
}
