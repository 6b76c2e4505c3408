/**
 * Fills a queue with what a shop really captures: sales by pgbench through the installed triggers, each its own transaction.
 * The full queue is kept aside once, and every drain begins from that copy.
 */
import type { Cluster } from '../../src/demo/postgres.js';
import { sleep } from '../../src/time.js';
import { sell } from './pgbench.js';
import { onDatabase } from './server.js';

const ROWS_A_SALE = 6;
const TILLS = 8;

/** Captures at least `changes` changes and keeps them aside; returns how many there are. */
export async function fillQueue(cluster: Cluster, database: string, changes: number): Promise<number> {
  await onDatabase(cluster.url(database), (client) => client.query('TRUNCATE syncd.sync_queue'));
  // Nothing is measured yet, so these sales need not wait for the disk.
  const salesEach = Math.ceil(changes / ROWS_A_SALE / TILLS);
  await sell(cluster, database, TILLS, { salesEach }, '-c synchronous_commit=off');
  return onDatabase(cluster.url(database), async (client) => {
    await client.query('DROP TABLE IF EXISTS public.kept');
    await client.query('CREATE TABLE public.kept AS SELECT * FROM syncd.sync_queue ORDER BY id');
    const { rows } = await client.query<{ count: number }>('SELECT count(*)::int AS count FROM public.kept');
    const count = rows[0]?.count ?? 0;
    if (count < changes) throw new Error(`${count} changes were captured where ${changes} were made`);
    return count;
  });
}

/** Puts the queue back as it was captured, forgets every settled state, and leaves nothing for a vacuum or a checkpoint. */
export async function emptyAndRefill(cluster: Cluster, database: string): Promise<void> {
  await onDatabase(cluster.url(database), async (client) => {
    await client.query('TRUNCATE syncd.sync_queue, syncd.entity_state, syncd.sync_logs');
    await client.query('INSERT INTO syncd.sync_queue OVERRIDING SYSTEM VALUE SELECT * FROM public.kept ORDER BY id');
    await client.query('VACUUM (ANALYZE) syncd.sync_queue, syncd.entity_state, syncd.sync_logs');
    await client.query('CHECKPOINT');
  });
}

/** Resolves as soon as nothing is pending any more, seen within 5 ms. @throws Error after `timeoutMs`. */
export async function allSettled(cluster: Cluster, database: string, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  await onDatabase(cluster.url(database), async (client) => {
    for (;;) {
      const { rowCount } = await client.query("SELECT FROM syncd.sync_queue WHERE status <> 'synced' LIMIT 1");
      if (rowCount === 0) return;
      if (performance.now() > deadline) throw new Error(`not everything is settled after ${timeoutMs} ms`);
      await sleep(5);
    }
  });
}
