/** What was captured, as the objects that a job queue takes: the same fields and rows that the daemon sends. */
import pg from 'pg';

const PAGE = 1_000;
const CHANGES = `
  SELECT json_build_object('change_id', change_id, 'seq', id::text, 'tx', txid::text, 'entity_type', entity_type, 'entity_id', entity_id,
                           'operation', operation, 'version', 1, 'changed_at', created_at, 'data', payload) AS change
  FROM public.kept ORDER BY id LIMIT $1 OFFSET $2`;

/** @param take is given a page at a time, and waited for */
export async function readChanges(
  database: string,
  count: number,
  take: (page: object[]) => Promise<unknown>,
): Promise<void> {
  const client = new pg.Client(database);
  await client.connect();
  try {
    for (let read = 0; read < count; read += PAGE) {
      const { rows } = await client.query<{ change: object }>(CHANGES, [Math.min(PAGE, count - read), read]);
      await take(rows.map(({ change }) => change));
    }
  } finally {
    await client.end();
  }
}
