/**
 * Reference of B3: the same changes as jobs of graphile-worker, each posted by itself, as its tasks are: twenty at once. Arguments:
 * database URL, cloud URL, how many changes.
 */
import { Agent } from 'node:http';
import got from 'got';
import { Logger, makeWorkerUtils, runOnce } from 'graphile-worker';
import { readChanges } from './kept-changes.js';

const [database = '', cloud = '', count = ''] = process.argv.slice(2);
const TASK = 'push';
const CONCURRENCY = 20;
const ADD = `SELECT graphile_worker.add_jobs(ARRAY(
  SELECT json_populate_recordset(NULL::graphile_worker.job_spec, $1::json)))`;

const logger = new Logger(() => () => {});
const agent = { http: new Agent({ keepAlive: true }) };
const utils = await makeWorkerUtils({ connectionString: database, logger });
await utils.migrate();
await readChanges(database, Number(count), (page) =>
  utils.withPgClient((client) =>
    client.query(ADD, [JSON.stringify(page.map((payload) => ({ identifier: TASK, payload })))]),
  ),
);
await utils.release();
process.on('message', () => void drain());
process.on('disconnect', () => process.exit(0));
process.send?.({ kind: 'ready' });

async function drain(): Promise<void> {
  await runOnce({
    connectionString: database,
    logger,
    concurrency: CONCURRENCY,
    maxPoolSize: CONCURRENCY,
    noHandleSignals: true,
    taskList: {
      async [TASK](change) {
        const json = { changes: [change] };
        await got.post(`${cloud}/sync/push`, { json, agent, retry: { limit: 0 }, responseType: 'buffer' });
      },
    },
  });
  process.send?.({ kind: 'done' });
}
