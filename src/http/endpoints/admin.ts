import { endpoint } from "../endpoint.ts";
import * as schemas from "../schemas.ts";

/** For the role `admin`. */
export const adminEndpoints = [
  endpoint({
    method: "get",
    path: "/auth/admin/metrics",
    access: "admin",
    tag: "Administration",
    summary: "Figures",
    description: "Counts for a dashboard: users and sessions in the store, sign-ins and refreshes in this process.",
    success: {
      status: 200,
      description: "The store's contents, and what this process has done since it started.",
      schema: schemas.metrics,
    },
    async handle({ issuer, respond }) {
      const { startedAt, uptimeSeconds, store, sinceStart } = await issuer.metrics();
      return respond.json({
        started_at: startedAt,
        uptime_seconds: uptimeSeconds,
        store: {
          users: store.users,
          disabled_users: store.disabledUsers,
          live_sessions: store.liveSessions,
          revoked_sessions: store.revokedSessions,
        },
        since_start: {
          logins_succeeded: sinceStart.loginsSucceeded,
          logins_failed: sinceStart.loginsFailed,
          refreshes: sinceStart.refreshes,
          refreshes_by_decision: sinceStart.refreshesByDecision,
          reuse_detected: sinceStart.reuseDetected,
          logouts: sinceStart.logouts,
          sessions_revoked: sinceStart.sessionsRevoked,
          password_changes: sinceStart.passwordChanges,
        },
      });
    },
  }),
];
