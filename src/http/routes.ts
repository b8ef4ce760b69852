import { adminEndpoints } from "./admin-endpoints.ts";
import { discoveryEndpoints } from "./discovery-endpoints.ts";
import { documentationEndpoints } from "./documentation-endpoints.ts";
import type { Endpoint } from "./endpoint.ts";
import { forwardAuthEndpoints } from "./forward-auth-endpoints.ts";
import { healthEndpoints } from "./health-endpoints.ts";
import { revocationEndpoints } from "./revocation-endpoints.ts";
import { sessionEndpoints } from "./session-endpoints.ts";
import { sessionStateEndpoint } from "./session-state-endpoint.ts";
import { setupEndpoints } from "./setup-endpoints.ts";
import { signInEndpoints } from "./sign-in-endpoints.ts";
import { tokenEndpoint } from "./token-endpoint.ts";
import { tokenStateEndpoints } from "./token-state-endpoints.ts";

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
