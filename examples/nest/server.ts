// NestJS: the whole application guarded but for what says otherwise, requirements as decorators, and a user that a service loads.
import { Body, Controller, Get, Inject, Injectable, Module, Post } from "@nestjs/common";
import { APP_GUARD, NestFactory } from "@nestjs/core";
import { type AccessTokenClaims, createIssuer, type Issuer } from "latchkey";
import { Auth, AuthUser, Guarded, LATCHKEY_ISSUER, LatchkeyGuard, LatchkeyModule, Public } from "latchkey/nest";
import { createSqliteStore } from "latchkey/sqlite";

const port = Number(process.env.PORT ?? 4000);

interface Customer {
  readonly orders: string[];
}

@Injectable()
class Customers {
  readonly #all = new Map<string, Customer>();

  find(sub: string): Customer {
    const customer = this.#all.get(sub) ?? { orders: [] };
    this.#all.set(sub, customer);
    return customer;
  }

  all(): readonly Customer[] {
    return [...this.#all.values()];
  }
}

@Module({ providers: [Customers], exports: [Customers] })
class CustomersModule {}

@Controller("orders")
class OrdersController {
  readonly #customers: Customers;

  constructor(customers: Customers) {
    this.#customers = customers;
  }

  @Get()
  list(@Auth() { sub }: AccessTokenClaims, @AuthUser() { orders }: Customer) {
    return { of: sub, orders };
  }

  @Post()
  add(@AuthUser() { orders }: Customer, @Body("item") item: string) {
    orders.push(String(item));
    return { orders };
  }

  @Get("all")
  @Guarded({ scope: "orders:all" })
  all() {
    return { orders: this.#customers.all().flatMap(({ orders }) => orders) };
  }
}

@Controller()
class ShopController {
  readonly #issuer: Issuer;

  constructor(@Inject(LATCHKEY_ISSUER) issuer: Issuer) {
    this.#issuer = issuer;
  }

  @Get("hours")
  @Public()
  hours() {
    return { from: 9, to: 17 };
  }

  @Get()
  @Guarded({ optional: true })
  greet(@Auth() auth: AccessTokenClaims | undefined) {
    return `Hello, ${auth?.sub ?? "stranger"}!`;
  }

  @Get("reports")
  @Guarded({ role: "editor" })
  reports(@Auth() { sub }: AccessTokenClaims) {
    return { by: sub };
  }

  // The screen in the kitchen: a session of its own, which sees all orders. Who opens it has just proved who they are.
  @Post("screens")
  @Guarded({ role: "editor", freshForSeconds: 300 })
  async openScreen(@Auth() { sub }: AccessTokenClaims) {
    const { accessToken, refreshToken } = await this.#issuer.issue({
      subject: sub,
      device: "kitchen screen",
      scope: "orders:all",
    });
    return { access_token: accessToken, refresh_token: refreshToken };
  }
}

@Module({
  imports: [
    CustomersModule,
    LatchkeyModule.forRootAsync({
      imports: [CustomersModule],
      inject: [Customers],
      useFactory: async (customers: Customers) => ({
        issuer: await createIssuer({
          issuer: `http://127.0.0.1:${port}`,
          secret: process.env.LATCHKEY_SECRET!, // npx --no latchkey secret
          store: await createSqliteStore("app.db"),
        }),
        guardDefaults: { loadUser: ({ sub }) => customers.find(sub) },
      }),
    }),
  ],
  controllers: [OrdersController, ShopController],
  providers: [{ provide: APP_GUARD, useClass: LatchkeyGuard }],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: ["warn", "error"] });
await app.listen(port, "127.0.0.1");
