/**
 * The bare way to write rows of a cloud into a table: one statement for a thousand of them, each its own transaction, nothing else.
 * It knows the table by heart, overwrites whatever is there, and leaves everything that its triggers captured in the queue.
 */
import pg from 'pg';

const UPSERT = `
  INSERT INTO products
  SELECT r.* FROM json_to_recordset($1::json)
    AS r(id bigint, sku text, name text, category text, price numeric(14,2), is_active boolean, updated_at timestamptz)
  ON CONFLICT (id) DO UPDATE SET sku = excluded.sku, name = excluded.name, category = excluded.category, price = excluded.price,
    is_active = excluded.is_active, updated_at = excluded.updated_at`;

/** @param pages JSON arrays of rows */
export async function bareUpsert(url: string, pages: string[]): Promise<void> {
  // The applier's commits do not wait for the disk either: what a crash undoes is repeated.
  const client = new pg.Client({ connectionString: url, options: '-c synchronous_commit=off -c jit=off' });
  await client.connect();
  try {
    for (const page of pages) await client.query(UPSERT, [page]);
  } finally {
    await client.end();
  }
}
