import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import {
  type ArgumentsHost,
  Catch,
  Controller,
  Dependencies,
  type DynamicModule,
  Get,
  HttpCode,
  type HttpException,
  Module,
  Post,
  Req,
  Res,
  type Type,
  UseGuards,
} from "@nestjs/common";
import { APP_FILTER, APP_GUARD, NestFactory } from "@nestjs/core";
import { ExecutionContextHost } from "@nestjs/core/internal";
import type { Request, Response } from "express";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  Auth,
  AuthUser,
  Guarded,
  LATCHKEY_ISSUER,
  LatchkeyGuard,
  LatchkeyModule,
  type LatchkeyModuleOptions,
  Public,
} from "../../src/adapters/nest.ts";
import { admitUpgrade } from "../../src/adapters/node.ts";
import {
  type AccessTokenClaims,
  type AnyAccessTokenClaims,
  createGuard,
  type GuardOptions,
  type Issuer,
} from "../../src/index.ts";
import { exchange, requestText } from "../support/raw-socket.ts";
import { Browser } from "../support/signed-in-browser.ts";
import { createTestBed, ISSUER, PASSWORD, reply, type TestBed } from "../support/test-bed.ts";
import { type Build, describeAdapter, requirements } from "./contract.ts";

/** As TypeScript writes decorators; the transform of these tests knows none for parameters. */
function decorate(
  { prototype }: Type,
  method: string,
  decorators: readonly MethodDecorator[],
  parameters: readonly ParameterDecorator[] = [],
): void {
  for (const [index, decorator] of parameters.entries()) decorator(prototype, method, index);
  const descriptor = Object.getOwnPropertyDescriptor(prototype, method);
  for (const decorator of decorators.toReversed()) decorator(prototype, method, descriptor!);
}

interface Application {
  readonly module: DynamicModule;
  readonly imports?: readonly Type[];
  readonly controllers?: readonly Type[];
  readonly providers?: NonNullable<DynamicModule["providers"]>;
  readonly bodyParser?: boolean;
  readonly prefix?: string;
}

async function start({
  module,
  imports = [],
  controllers = [],
  providers = [],
  bodyParser = true,
  prefix = "",
}: Application) {
  class App {}
  Module({ imports: [module, ...imports], controllers: [...controllers], providers })(App);
  const app = await NestFactory.create(App, { logger: false, bodyParser, abortOnError: false });
  onTestFinished(() => app.close());
  if (prefix !== "") app.setGlobalPrefix(prefix);
  await app.listen(0, "127.0.0.1");
  const server = app.getHttpServer();
  onTestFinished(() => server.closeAllConnections());
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** One controller with one route, `GET /orders`, that answers whose it is. */
function orders(decorators: readonly MethodDecorator[] = [], onClass: readonly ClassDecorator[] = []): Type {
  class Orders {
    orders(auth: AccessTokenClaims | undefined, user: unknown) {
      return { sub: auth?.sub ?? null, user: user ?? null };
    }
  }
  Controller()(Orders);
  decorate(Orders, "orders", [Get("orders"), ...decorators], [Auth(), AuthUser()]);
  for (const decorator of onClass) decorator(Orders);
  return Orders;
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

async function setUp(
  bed: TestBed,
  application: Partial<Application> = {},
  options: Partial<LatchkeyModuleOptions> = {},
) {
  const { server, url } = await start({
    module: LatchkeyModule.forRoot({ issuer: bed.issuer, ...options }),
    ...application,
  });
  const get = async (path: string, token?: string) =>
    reply(await fetch(url + path, token === undefined ? {} : bearer(token)));
  return { server, url, get };
}

const build: Build = async ({ issuer, handlerOptions, mount, readsBodies }) => {
  class Shop {
    sub(auth: AccessTokenClaims | undefined) {
      return { sub: auth?.sub ?? null };
    }
    user({ sub }: AccessTokenClaims, { name }: { readonly name: string }) {
      return { sub, name };
    }
    cookie(request: Request) {
      return { cookie: request.headers.cookie };
    }
    fails(response: Response) {
      response.status(404);
      return {};
    }
    sets(response: Response) {
      response.cookie("own", "1");
      return {};
    }
    open() {
      return "open";
    }
  }
  const subject = (name: string, decorators: readonly MethodDecorator[]) => {
    Object.defineProperty(Shop.prototype, name, {
      value: (auth: AccessTokenClaims | undefined) => ({ sub: auth?.sub ?? null }),
    });
    decorate(Shop, name, decorators, [Auth()]);
  };
  Controller()(Shop);
  decorate(Shop, "sub", [Get("orders"), Guarded()], [Auth()]);
  subject("order", [Post("orders"), HttpCode(200), Guarded(requirements.body)]);
  subject("editors", [Get("editors"), Guarded(requirements.editor)]);
  const resource = ({ params }: Request) => params.owner;
  subject("mine", [Get("mine/:owner"), Guarded(requirements.owner, { resource })]);
  subject("broken", [Get("broken"), Guarded(requirements.broken)]);
  subject("optional", [Get("optional"), Guarded(requirements.optional)]);
  decorate(Shop, "user", [Get("user"), Guarded(requirements.user)], [Auth(), AuthUser()]);
  decorate(Shop, "cookie", [Get("cookie"), UseGuards(LatchkeyGuard)], [Req()]);
  decorate(Shop, "fails", [Get("fails"), Guarded()], [Res({ passthrough: true })]);
  decorate(Shop, "sets", [Get("sets"), Guarded()], [Res({ passthrough: true })]);
  decorate(Shop, "open", [Get("open")]);
  const module = LatchkeyModule.forRoot({ issuer, ...handlerOptions, path: mount || "/" });
  return (await start({ module, controllers: [Shop], bodyParser: readsBodies })).url;
};

describeAdapter("Nest", build, { readsBodies: true, goesOn: true });

describe("Nest alone", () => {
  it("makes the module from what Nest injects, and gives the issuer to whoever injects it", async () => {
    const bed = await createTestBed();
    class Users {
      name(sub: string) {
        return `user ${sub}`;
      }
    }
    class UsersModule {}
    Module({ providers: [Users], exports: [Users] })(UsersModule);
    class About {
      readonly #issuer: Issuer;
      constructor(issuer: Issuer) {
        this.#issuer = issuer;
      }
      issuer() {
        return this.#issuer.options.issuer;
      }
    }
    Controller()(About);
    Dependencies(LATCHKEY_ISSUER)(About);
    decorate(About, "issuer", [Get("issuer")]);
    const module = LatchkeyModule.forRootAsync({
      imports: [UsersModule],
      inject: [Users],
      useFactory: async (users: Users) => ({
        issuer: bed.issuer,
        guardDefaults: { loadUser: ({ sub }) => users.name(sub) },
      }),
    });
    const own = { loadUser: () => "somebody else" };
    const { get } = await setUp(bed, { module, controllers: [orders([Guarded()]), About] });
    const { access_token: token } = await bed.login();
    const { sub } = await bed.issuer.verify(token);
    expect((await get("/orders", token)).body).toEqual({ sub, user: `user ${sub}` });
    expect((await get("/issuer")).text).toBe(ISSUER);
    const other = await setUp(bed, { module, controllers: [orders([Guarded(own)])] });
    expect((await other.get("/orders", token)).body.user).toBe("somebody else");
  });

  it("guards the whole application but for what is public, and asks once what stands there twice", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    class Open {
      open() {
        return "open";
      }
      closed() {
        return "closed";
      }
    }
    Controller("open")(Open);
    Public()(Open);
    decorate(Open, "open", [Get()]);
    decorate(Open, "closed", [Get("closed"), Guarded()]);
    class Mixed {
      all() {
        return "open";
      }
    }
    Controller("mixed")(Mixed);
    Guarded()(Mixed);
    decorate(Mixed, "all", [Get(), Public()]);
    const providers = [{ provide: APP_GUARD, useClass: LatchkeyGuard }];
    const { get } = await setUp(bed, { controllers: [orders([Guarded({ role: "editor" })]), Open, Mixed], providers });
    for (const path of ["/open", "/mixed"]) expect((await get(path)).text).toBe("open");
    for (const path of ["/open/closed", "/orders"]) expect((await get(path)).status).toBe(401);
    expect((await get("/open/closed", token)).text).toBe("closed");
    expect((await get("/orders", token)).status).toBe(403);
    const isRevoked = vi.fn(() => false);
    const thrice = orders([Guarded({ isRevoked }), UseGuards(LatchkeyGuard)]);
    const once = await setUp(bed, { controllers: [thrice], providers });
    expect((await once.get("/orders", token)).status).toBe(200);
    expect(isRevoked).toHaveBeenCalledTimes(1);
    const plain = await setUp(bed, { controllers: [orders()], providers });
    expect([(await plain.get("/orders")).status, (await plain.get("/orders", token)).status]).toEqual([401, 200]);
  });

  it("asks for all that class, base class and method want: none takes back what another asks for", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const sees = async (onClass: GuardOptions, onMethod: GuardOptions) => {
      const { get } = await setUp(bed, { controllers: [orders([Guarded(onMethod)], [Guarded(onClass)])] });
      return (await get("/orders", token)).body.error;
    };
    expect(await sees({ role: "editor" }, {})).toBe("insufficient_role");
    expect(await sees({}, { role: "editor" })).toBe("insufficient_role");
    expect(await sees({ scope: "a" }, { optional: true })).toBe("insufficient_scope");
    expect(await sees({ optional: true }, { freshForSeconds: 900 })).toBeUndefined();
    const optional = await setUp(bed, { controllers: [orders([Guarded({ optional: true })], [Guarded()])] });
    expect((await optional.get("/orders")).status).toBe(401);
    class Derived extends orders([Guarded()], [Guarded({ role: "editor" })]) {}
    Controller("derived")(Derived);
    Guarded({ freshForSeconds: 900 })(Derived);
    const derived = await setUp(bed, { controllers: [Derived] });
    expect((await derived.get("/derived/orders", token)).body.error).toBe("insufficient_role");
  });

  it("keeps the user that a class's guard has loaded where the method's loads none", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const { get } = await setUp(bed, { controllers: [orders([Guarded()], [Guarded({ loadUser: () => "Ada" })])] });
    expect((await get("/orders", token)).body.user).toBe("Ada");
  });

  it("gives an exception filter of the application the refusal as an HttpException, with headers and cause", async () => {
    const bed = await createTestBed();
    const seen: HttpException[] = [];
    class Everything {
      catch(exception: HttpException, host: ArgumentsHost) {
        seen.push(exception);
        host.switchToHttp().getResponse<Response>().status(exception.getStatus()).json({ own: true });
      }
    }
    Catch()(Everything);
    const { get } = await setUp(bed, {
      controllers: [orders([Guarded()])],
      providers: [{ provide: APP_FILTER, useClass: Everything }],
    });
    const { status, body, headers } = await get("/orders");
    expect([status, body, headers.get("www-authenticate")]).toEqual([401, { own: true }, 'Bearer realm="latchkey"']);
    expect(seen).toHaveLength(1);
    expect(seen[0]!.getResponse()).toMatchObject({ error: "missing_token" });
    const { cause, message } = seen[0]!;
    expect(cause).toMatchObject({ code: "missing_token", message });
  });

  it("guards the controllers of every module, without an import there", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    class Feature {}
    Module({ controllers: [orders([Guarded()])] })(Feature);
    const { get } = await setUp(bed, { imports: [Feature] });
    expect([(await get("/orders")).status, (await get("/orders", token)).status]).toEqual([401, 200]);
  });

  it("hands what is no refusal to Nest as it was thrown", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const seen: unknown[] = [];
    class Everything {
      catch(exception: unknown, host: ArgumentsHost) {
        seen.push(exception);
        host.switchToHttp().getResponse<Response>().status(500).json({});
      }
    }
    Catch()(Everything);
    const { get } = await setUp(bed, {
      controllers: [orders([Guarded(requirements.broken)])],
      providers: [{ provide: APP_FILTER, useClass: Everything }],
    });
    expect((await get("/orders", token)).status).toBe(500);
    expect(seen).toEqual([new Error("The user table is away.")]);
  });

  it("answers 500 where a handler asks who it is and no guard stands, rather than run for nobody", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const { get } = await setUp(bed, { controllers: [orders()] });
    expect((await get("/orders", token)).status).toBe(500);
  });

  it("mounts the handler where it is told, whatever Nest's global prefix, which controllers keep", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const { get } = await setUp(bed, { controllers: [orders([Guarded()])], prefix: "api" }, { path: "/id" });
    expect((await get("/id/auth/me", token)).status).toBe(200);
    expect((await get("/api/id/auth/me", token)).status).toBe(404);
    expect((await get("/api/orders", token)).status).toBe(200);
  });

  it("answers its own routes before any controller does, but after Nest's parser has refused what is no JSON", async () => {
    const bed = await createTestBed();
    class Livez {
      livez() {
        return "mine";
      }
    }
    Controller()(Livez);
    decorate(Livez, "livez", [Get("livez")]);
    const { url, get } = await setUp(bed, { controllers: [Livez] });
    expect((await get("/livez")).text).not.toBe("mine");
    const headers = { "content-type": "application/json" };
    const refused = await reply(await fetch(`${url}/auth/login`, { method: "POST", headers, body: "{" }));
    expect(refused.body).toMatchObject({ statusCode: 400 });
  });

  it("renews once where class and method are guarded, and not in the answer where the method's guard refuses", async () => {
    const bed = await createTestBed();
    await bed.login();
    const served = orders([Guarded()], [Guarded()]);
    class Refused extends served {}
    Controller("refused")(Refused);
    Guarded({ role: "editor" })(Refused);
    const browser = new Browser((await setUp(bed, { controllers: [served, Refused] })).url);
    await browser.signIn("ada", PASSWORD);
    browser.dropAccessCookie();
    const refused = await browser.fetch("/refused/orders");
    expect([refused.status, refused.headers.getSetCookie()]).toEqual([403, []]);
    const renewals = () => bed.events.filter(({ type }) => type === "session.refreshed").length;
    const before = renewals();
    const response = await browser.fetch("/orders");
    expect([response.status, response.headers.getSetCookie().length, renewals() - before]).toEqual([200, 3, 1]);
    expect(bed.events.at(-1)).toMatchObject({ type: "session.refreshed", ip: "127.0.0.1" });
  });

  it("names a wrong option at once: of a guard, of the module; and refuses what contradicts itself", async () => {
    const { issuer } = await createTestBed();
    expect(() => Guarded({ roles: "editor" } as GuardOptions)).toThrow(/'roles'/);
    const both = (...decorators: ClassDecorator[]) => {
      for (const decorator of decorators) decorator(class {});
      const target = class {};
      for (const decorator of decorators) decorator(target);
    };
    expect(() => both(Public(), Guarded())).toThrow(/contradict/);
    expect(() => both(Guarded(), Public())).toThrow(/contradict/);
    expect(() => both(Public(), Public())).not.toThrow();
    const starting = (options: object) =>
      start({ module: LatchkeyModule.forRoot({ issuer, ...options } as LatchkeyModuleOptions) });
    await expect(starting({ passwordGrants: true })).rejects.toThrow(/'passwordGrants'/);
    await expect(starting({ guardDefaults: { locations: "header" } })).rejects.toThrow(/'locations'/);
    await expect(starting({ guardDefaults: { optional: true } })).rejects.toThrow(/'optional' belongs to @Guarded/);
  });

  it("refuses to start on another platform than Express, and to run where there is no HTTP", async () => {
    const { issuer } = await createTestBed();
    const host = { httpAdapter: { getType: () => "fastify" } } as ConstructorParameters<typeof LatchkeyModule>[0];
    expect(() => new LatchkeyModule(host, { issuer }).configure()).toThrow(/platform-express/);
    const context = new ExecutionContextHost([]);
    context.setType("ws");
    await expect(new LatchkeyGuard({ issuer }).canActivate(context)).rejects.toThrow(/admitUpgrade/);
  });

  it("lets latchkey/node guard a WebSocket on Nest's server before the upgrade", async () => {
    const bed = await createTestBed();
    const { access_token: token } = await bed.login();
    const { server, url } = await setUp(bed);
    const guard = createGuard(bed.issuer);
    let admitted: AnyAccessTokenClaims | undefined;
    server.on("upgrade", async (request: IncomingMessage, socket: Duplex) => {
      const admission = await admitUpgrade(guard, request, socket);
      if (admission === undefined) return;
      admitted = admission.auth;
      socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    });
    const shake = async (headers: Record<string, string>) => {
      const handshake = { Connection: "Upgrade", Upgrade: "websocket", ...headers };
      const [answer] = await exchange(Number(new URL(url).port), requestText("GET /live", handshake));
      return answer!.status;
    };
    expect([await shake({}), admitted]).toEqual([401, undefined]);
    expect(await shake({ Authorization: `Bearer ${token}` })).toBe(101);
    expect(admitted?.sub).toBe((await bed.issuer.verify(token)).sub);
  });
});
