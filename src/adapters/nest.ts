import type { ServerResponse } from "node:http";
import {
  applyDecorators,
  type CanActivate,
  ConfigurableModuleBuilder,
  createParamDecorator,
  Dependencies,
  type ExecutionContext,
  HttpException,
  Module,
  type NestModule,
  UseGuards,
} from "@nestjs/common";
import { HttpAdapterHost } from "@nestjs/core";
import type { Request } from "express";
import { isLatchkeyError, type LatchkeyError } from "../errors.ts";
import { createGuard, type Guard, type GuardOptions, type OptionalAdmission } from "../http/guard/guard.ts";
import { resolveGuardOptions } from "../http/guard/guard-options.ts";
import { createHandler } from "../http/handler.ts";
import { type HandlerOptions, handlerOptionProblems } from "../http/handler-options.ts";
import { aFunction, anObject, isText } from "../option-rules.ts";
import { adapterOptions } from "./adapter-options.ts";
import { latchkey } from "./express.ts";
import { admitExpress, type ExpressRequest } from "./express-admission.ts";
import { type GuardedRouteOptions, PUBLIC, type Rule, rulesOf, withRule } from "./nest-rules.ts";

type Issuer = Parameters<typeof createHandler>[0];

/** Options that only a route itself may set. As a default they would open or restrict routes elsewhere in the code. */
const requirementNames = ["optional", "freshForSeconds", "role", "scope", "policy", "action"] as const;

/** The options of the module: the issuer, and all options of `createHandler`. */
export interface LatchkeyModuleOptions extends HandlerOptions {
  readonly issuer: Issuer;
  /** The path under which the handler's routes are mounted; Nest's global prefix is not added to it. Default: `/`. */
  readonly path?: string | undefined;
  /**
   * How every guard without its own `loadUser` loads the user. In `forRootAsync` it may use anything that Nest injects.
   */
  readonly guardDefaults?: Omit<GuardOptions, (typeof requirementNames)[number]> | undefined;
}

/** The application's own providers get the issuer by this token: `@Inject(LATCHKEY_ISSUER)`. */
export const LATCHKEY_ISSUER: unique symbol = Symbol("LATCHKEY_ISSUER");

const OPTIONS = Symbol("LATCHKEY_OPTIONS");

const moduleOptions = adapterOptions<LatchkeyModuleOptions>("LatchkeyModule", {
  issuer: anObject,
  path: (value) => (isText(value) && value.startsWith("/") ? undefined : "must be a path that begins with '/'"),
  guardDefaults: anObject,
  ...handlerOptionProblems,
});
const routeOptions = adapterOptions<GuardedRouteOptions>("Guarded", { resource: aFunction });

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<LatchkeyModuleOptions>({
  optionsInjectionToken: OPTIONS,
})
  .setClassMethodName("forRoot")
  .setExtras({}, (definition) => ({
    ...definition,
    global: true,
    providers: [
      ...(definition.providers ?? []),
      {
        provide: LATCHKEY_ISSUER,
        useFactory: ({ issuer }: LatchkeyModuleOptions) => issuer,
        inject: [OPTIONS],
      },
    ],
    exports: [OPTIONS, LATCHKEY_ISSUER],
  }))
  .build();

/**
 * Every route of the handler, and for all modules the providers that {@link LatchkeyGuard} needs:
 * `LatchkeyModule.forRoot({ issuer })`, or `forRootAsync({ inject, useFactory })`. The routes come after Nest's body
 * parser and `app.use`, and before every controller.
 * @example
 * ```ts
 * import { Module } from "@nestjs/common";
 * import { LatchkeyModule } from "latchkey/nest";
 *
 * @Module({ imports: [LatchkeyModule.forRoot({ issuer, allowedOrigins: ["https://app.example.com"] })] })
 * class AppModule {}
 * ```
 */
export class LatchkeyModule extends ConfigurableModuleClass implements NestModule {
  static {
    Module({})(LatchkeyModule);
    Dependencies(HttpAdapterHost, OPTIONS)(LatchkeyModule);
  }

  readonly #host: HttpAdapterHost;
  readonly #options: LatchkeyModuleOptions;

  constructor(host: HttpAdapterHost, options: LatchkeyModuleOptions) {
    super();
    this.#host = host;
    this.#options = options;
  }

  /** @throws TypeError naming an option that is unknown or wrong, and on any platform other than Express. */
  configure(): void {
    const { issuer, path = "/", guardDefaults = {}, ...handlerOptions } = moduleOptions(this.#options);
    resolveGuardOptions(guardDefaults);
    const misplaced = requirementNames.find((name) => name in guardDefaults);
    if (misplaced !== undefined)
      throw new TypeError(`Option '${misplaced}' belongs to @Guarded(), not to 'guardDefaults'.`);
    const { httpAdapter } = this.#host;
    if (httpAdapter.getType() !== "express") throw new TypeError("'latchkey/nest' works on @nestjs/platform-express.");
    httpAdapter.use(path, latchkey(createHandler(issuer, handlerOptions)));
  }
}

type Admitted = Pick<OptionalAdmission, "auth" | "user">;

/** What a request's rules have admitted, in their order. */
const admissions = new WeakMap<object, Map<Rule, Admitted>>();

/**
 * Admits the requests that meet the `@Guarded()` rules of class and method or, without such a rule, anyone who is
 * signed in. It guards the class or method that has `@UseGuards(LatchkeyGuard)`, or with
 * `{ provide: APP_GUARD, useClass: LatchkeyGuard }` the whole application.
 * @example
 * ```ts
 * import { Module } from "@nestjs/common";
 * import { APP_GUARD } from "@nestjs/core";
 * import { LatchkeyGuard, LatchkeyModule } from "latchkey/nest";
 *
 * @Module({
 *   imports: [LatchkeyModule.forRoot({ issuer })],
 *   providers: [{ provide: APP_GUARD, useClass: LatchkeyGuard }],
 * })
 * class AppModule {}
 * ```
 */
export class LatchkeyGuard implements CanActivate {
  static {
    Dependencies(OPTIONS)(LatchkeyGuard);
  }

  readonly #options: LatchkeyModuleOptions;
  readonly #guards = new Map<Rule, Guard>();

  constructor(options: LatchkeyModuleOptions) {
    this.#options = options;
  }

  /**
   * @throws HttpException the refusal, which Nest sends unchanged; its `cause` is the `LatchkeyError`.
   * @throws TypeError outside HTTP, where no response can be sent.
   */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== "http") {
      throw new TypeError("LatchkeyGuard guards HTTP only. Guard a WebSocket with admitUpgrade of 'latchkey/node'.");
    }
    const http = context.switchToHttp();
    const request = http.getRequest<Request>();
    // A guard of the application and one of the route may have the same rule: checking it once is enough.
    const before = admissions.get(request) ?? new Map<Rule, Admitted>();
    for (const rule of rulesOf(context)) {
      if (!before.has(rule)) before.set(rule, await this.#admit(rule, request, http.getResponse()));
      admissions.set(request, before);
    }
    return true;
  }

  async #admit(rule: Rule, request: Request, response: ServerResponse): Promise<Admitted> {
    const guard = this.#guardOf(rule);
    try {
      const resource = await rule.resource?.(request);
      const admission = await admitExpress(guard, request as ExpressRequest, response, resource);
      Object.assign(request, { auth: admission.auth });
      return admission;
    } catch (error) {
      if (!isLatchkeyError(error)) throw error;
      throw await toException(guard.refuse(error), response, error);
    }
  }

  #guardOf(rule: Rule): Guard {
    const { issuer, guardDefaults } = this.#options;
    const guard = this.#guards.get(rule) ?? createGuard<unknown>(issuer, { ...guardDefaults, ...rule.requirements });
    this.#guards.set(rule, guard);
    return guard;
  }
}

/**
 * An exception that Nest answers with exactly the refusal's status and body; the headers are set on the response here.
 */
async function toException(refusal: Response, response: ServerResponse, cause: LatchkeyError): Promise<HttpException> {
  // Nest writes the body, and with it its own content type.
  for (const [name, value] of refusal.headers) {
    if (name === "set-cookie") response.appendHeader(name, value);
    else if (name !== "content-type") response.setHeader(name, value);
  }
  const exception = new HttpException((await refusal.json()) as object, refusal.status, { cause });
  exception.message = cause.message;
  return exception;
}

/**
 * Guards a controller or one of its methods. It accepts the options of `createGuard`. All requirements of class and
 * method must hold.
 * @throws TypeError naming an option that is unknown or wrong.
 * @example
 * ```ts
 * import { Controller, Get } from "@nestjs/common";
 * import type { AccessTokenClaims } from "latchkey";
 * import { Auth, Guarded } from "latchkey/nest";
 *
 * @Controller("orders")
 * class OrdersController {
 *   @Get()
 *   @Guarded({ role: "editor" })
 *   list(@Auth() auth: AccessTokenClaims) {
 *     return { of: auth.sub };
 *   }
 * }
 * ```
 */
export function Guarded(
  requirements: GuardOptions = {},
  options: GuardedRouteOptions = {},
): ClassDecorator & MethodDecorator {
  resolveGuardOptions(requirements);
  return applyDecorators(withRule({ requirements, ...routeOptions(options) }), UseGuards(LatchkeyGuard));
}

/** Opens a controller or one of its methods if the whole application is guarded. */
export function Public(): ClassDecorator & MethodDecorator {
  return withRule(PUBLIC);
}

/**
 * The claims of the admitted subject, as a parameter: `@Auth() auth: AccessTokenClaims`; `undefined` if there is no
 * subject and none is required. TypeScript cannot check a parameter against its decorator: if there is no guard at all,
 * the response is 500.
 */
export const Auth: () => ParameterDecorator = createParamDecorator((_: unknown, context) => {
  return admissionsOf(context).at(-1)?.auth;
});

/** What `loadUser` returned, as a parameter. */
export const AuthUser: () => ParameterDecorator = createParamDecorator((_: unknown, context) => {
  return admissionsOf(context).findLast(({ user }) => user !== undefined)?.user;
});

function admissionsOf(context: ExecutionContext): readonly Admitted[] {
  const given = admissions.get(context.switchToHttp().getRequest());
  if (given === undefined)
    throw new TypeError("@Auth() and @AuthUser() require @Guarded() or LatchkeyGuard on the route.");
  return [...given.values()];
}
