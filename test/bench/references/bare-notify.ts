/**
 * Reference of C: the shortest way from a commit to the cloud. LISTEN, read what is pending, POST it, mark it. Works on the
 * queue of the naive trigger, which notifies at every commit. Arguments: database URL, cloud URL.
 */
import got from 'got';
import pg from 'pg';

type Row = { id: string; entity_type: string; entity_id: string; operation: string; data: string };

const [database = '', cloud = ''] = process.argv.slice(2);
const PENDING = `SELECT id, entity_type, entity_id, operation, payload::text AS data FROM reference.sync_queue WHERE status = 'pending' ORDER BY id LIMIT 1000`;
const ACK = `UPDATE reference.sync_queue SET status = 'synced', synced_at = clock_timestamp() WHERE id = ANY($1::bigint[])`;

const client = new pg.Client(database);
await client.connect();
let sending: Promise<void> = Promise.resolve();
client.on('notification', () => {
  sending = sending.then(send);
});
await client.query('LISTEN reference');
process.on('disconnect', () => process.exit(0));
process.send?.({ kind: 'ready' });

async function send(): Promise<void> {
  const { rows } = await client.query<Row>({ name: 'pending', text: PENDING });
  if (rows.length === 0) return;
  // This queue keeps no change ids: the cloud wants one of the right length.
  const changes = rows.map(({ id, entity_type, entity_id, operation, data }) => {
    const changeId = id.padStart(36, '0');
    return `{"change_id":"${changeId}","entity_type":"${entity_type}","entity_id":"${entity_id}","operation":"${operation}","data":${data}}`;
  });
  const headers = { 'content-type': 'application/json' };
  await got.post(`${cloud}/sync/push`, {
    body: `{"changes":[${changes.join(',')}]}`,
    headers,
    retry: { limit: 0 },
    responseType: 'buffer',
  });
  await client.query({ name: 'ack', text: ACK, values: [rows.map((row) => row.id)] });
}
