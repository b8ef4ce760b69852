/** All access tokens live so long that what is revoked matters for `rememberMs`, and no setting changes. */
export function livesOf(rememberMs: number) {
  return { rememberMs: () => rememberMs, read: async () => {} };
}
