/**
 * Reference of B1: the least that empties the queue over HTTP. Pages of row text in id order by keyset, three requests of
 * 1,000 in flight, the answer read but not looked at, one UPDATE by ids as the ack. No order within an entity, no whole
 * transactions, no versions, no states, no log, no retry. Arguments: database URL, cloud URL, `none` or `br`.
 */
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';
import got from 'got';
import pg from 'pg';

type Row = {
  id: string;
  change_id: string;
  txid: string;
  entity_type: string;
  entity_id: string;
  operation: string;
  data: string;
};

const [database = '', cloud = '', encoding = 'none'] = process.argv.slice(2);
const IN_FLIGHT = 3;
const PAGE = `SELECT id, change_id, txid::text, entity_type, entity_id, operation, payload::text AS data FROM syncd.sync_queue
  WHERE status = 'pending' AND next_attempt_at IS NULL AND id > $1 ORDER BY id LIMIT 1000`;
// The last two conditions only let it find the rows by the queue's index of what waits.
const ACK = `UPDATE syncd.sync_queue SET status = 'synced', settled_as = 'accepted', synced_at = clock_timestamp()
  WHERE id = ANY($1::bigint[]) AND status = 'pending' AND next_attempt_at IS NULL`;

const reader = new pg.Client(database);
const settler = new pg.Client(database);
await reader.connect();
await settler.connect();
process.on('message', () => void drain());
process.on('disconnect', () => process.exit(0));
process.send?.({ kind: 'ready' });

let after = '0';
let reading: Promise<Row[]> = Promise.resolve([]);
let settling: Promise<unknown> = Promise.resolve();

async function drain(): Promise<void> {
  await Promise.all(Array.from({ length: IN_FLIGHT }, pump));
  process.send?.({ kind: 'done' });
}

async function pump(): Promise<void> {
  for (;;) {
    reading = reading.then(readPage);
    const page = await reading;
    if (page.length === 0) return;
    await push(page);
    settling = settling.then(() => settler.query({ name: 'ack', text: ACK, values: [page.map((row) => row.id)] }));
    await settling;
  }
}

async function readPage(): Promise<Row[]> {
  const { rows } = await reader.query<Row>({ name: 'page', text: PAGE, values: [after] });
  after = rows.at(-1)?.id ?? after;
  return rows;
}

async function push(page: Row[]): Promise<void> {
  const json = Buffer.from(`{"changes":[${page.map(wireOf).join(',')}]}`);
  const body =
    encoding === 'br'
      ? await promisify(brotliCompress)(json, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })
      : json;
  const headers = { 'content-type': 'application/json', ...(encoding === 'br' && { 'content-encoding': 'br' }) };
  await got.post(`${cloud}/sync/push`, { body, headers, retry: { limit: 0 }, responseType: 'buffer' });
}

function wireOf({ id, change_id, txid, entity_type, entity_id, operation, data }: Row): string {
  return `{"change_id":"${change_id}","seq":"${id}","tx":"${txid}","entity_type":"${entity_type}","entity_id":${JSON.stringify(entity_id)},"operation":"${operation}","data":${data}}`;
}
