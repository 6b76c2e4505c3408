/**
 * Reference of B3: the same changes as jobs of pg-boss, 500 fetched at a time, posted together and completed; three such rounds at
 * once, as the daemon has three requests in flight. Its own worker would rest half a second between two batches, so it is driven
 * by `fetch` and `complete`. Arguments: database URL, cloud URL, how many changes.
 */
import got from 'got';
import PgBoss from 'pg-boss';
import { readChanges } from './kept-changes.js';

const [database = '', cloud = '', count = ''] = process.argv.slice(2);
const QUEUE = 'changes';
const BATCH = 500;
const IN_FLIGHT = 3;

const boss = new PgBoss({ connectionString: database, supervise: false, schedule: false });
boss.on('error', (error) => {
  throw error;
});
await boss.start();
await boss.createQueue(QUEUE);
await readChanges(database, Number(count), (page) => boss.insert(page.map((data) => ({ name: QUEUE, data }))));
process.on('message', () => void drain());
process.on('disconnect', () => process.exit(0));
process.send?.({ kind: 'ready' });

async function drain(): Promise<void> {
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  process.send?.({ kind: 'done' });
}

async function work(): Promise<void> {
  for (;;) {
    const jobs = await boss.fetch<object>(QUEUE, { batchSize: BATCH });
    if (jobs.length === 0) return;
    const json = { changes: jobs.map(({ data }) => data) };
    await got.post(`${cloud}/sync/push`, { json, retry: { limit: 0 }, responseType: 'buffer' });
    await boss.complete(
      QUEUE,
      jobs.map(({ id }) => id),
    );
  }
}
