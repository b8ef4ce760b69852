import { type ExecutionContext, SetMetadata } from "@nestjs/common";
import { Reflector } from "@nestjs/core";
import type { Request } from "express";
import type { GuardOptions } from "../http/guard/guard.ts";

/** The options of a guarded route in addition to its requirements. */
export interface GuardedRouteOptions {
  /** What the policies are asked about. */
  readonly resource?: ((request: Request) => unknown) | undefined;
}

/** The requirements of one decorator, compared by identity. */
export interface Rule extends GuardedRouteOptions {
  readonly requirements: GuardOptions;
}

/** The rule of a public route, which has no requirements. */
export const PUBLIC: Rule = { requirements: {} };
const SIGNED_IN: Rule = { requirements: {} };

const KEY = "latchkey:rules";
const reflector = new Reflector();
type Decorator = ClassDecorator & MethodDecorator;

/**
 * A decorator that adds a rule to those of the class or method.
 * @throws TypeError if one decorator would open what another guards.
 */
export function withRule(rule: Rule): Decorator {
  return ((target: object, _name?: string | symbol, method?: PropertyDescriptor) => {
    const subject: Parameters<Reflector["get"]>[1] = method?.value ?? target;
    const rules = [...(reflector.get<readonly Rule[] | undefined>(KEY, subject) ?? []), rule];
    if (rules.includes(PUBLIC) && rules.some((one) => one !== PUBLIC))
      throw new TypeError("@Public() and @Guarded() contradict each other.");
    SetMetadata(KEY, rules)(subject);
  }) as Decorator;
}

/**
 * The rules of a route: all requirements of its class and its method. `@Public()` on the method opens it; on the class
 * it opens those methods that have no requirements of their own.
 */
export function rulesOf(context: ExecutionContext): readonly Rule[] {
  const rules = (subject: Parameters<Reflector["get"]>[1]) =>
    reflector.get<readonly Rule[] | undefined>(KEY, subject) ?? [];
  const ofMethod = rules(context.getHandler());
  if (ofMethod.includes(PUBLIC)) return [];
  const all = [...rules(context.getClass()), ...ofMethod];
  if (all.length === 0) return [SIGNED_IN];
  return all.filter((rule) => rule !== PUBLIC);
}
