const NEWEST = `
  SELECT translate(encode(id, 'base64'), '+/=', '-_') AS id, pending_to::int AS newest FROM latchkey.sessions`;

/** The newest generation issued in each session that a PostgreSQL database knows, by session id. */
export async function generationsIn(
  sql: (text: string) => Promise<readonly { readonly id: string; readonly newest: number }[]>,
): Promise<ReadonlyMap<string, number>> {
  return new Map((await sql(NEWEST)).map(({ id, newest }) => [id, newest]));
}
