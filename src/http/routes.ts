import type { Endpoint } from "./endpoint.ts";
import { adminEndpoints } from "./endpoints/admin.ts";
import { discoveryEndpoints } from "./endpoints/discovery.ts";
import { documentationEndpoints } from "./endpoints/documentation.ts";
import { forwardAuthEndpoints } from "./endpoints/forward-auth.ts";
import { healthEndpoints } from "./endpoints/health.ts";
import { revocationEndpoints } from "./endpoints/revocation.ts";
import { sessionEndpoints } from "./endpoints/session.ts";
import { sessionStateEndpoint } from "./endpoints/session-state.ts";
import { setupEndpoints } from "./endpoints/setup.ts";
import { signInEndpoints } from "./endpoints/sign-in.ts";
import { tokenEndpoint } from "./endpoints/token.ts";
import { tokenStateEndpoints } from "./endpoints/token-state.ts";

/** The route table: everything this server answers. */
export const routes: readonly Endpoint[] = [
  ...signInEndpoints,
  ...sessionEndpoints,
  sessionStateEndpoint,
  ...revocationEndpoints,
  ...forwardAuthEndpoints,
  tokenEndpoint,
  ...tokenStateEndpoints,
  ...adminEndpoints,
  ...setupEndpoints,
  ...discoveryEndpoints,
  ...documentationEndpoints,
  ...healthEndpoints,
];
