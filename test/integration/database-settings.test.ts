/** A POS's database may have settings of its own: our connections work under theirs all the same. */
import type { AddressInfo } from 'node:net';
import { installCapture } from '../../src/capture/install.js';
import { openClient, openDb } from '../../src/db/connect.js';
import { nameOf } from '../../src/db/database-error.js';
import { findPrimary } from '../../src/db/primary.js';
import { watchOnce } from '../../src/drift/watch.js';
import { dropIncoming, retryIncoming } from '../../src/inbox/parked.js';
import { bucketsHere, type ProvenTable } from '../../src/proof/here.js';
import { discardChanges, retryChanges } from '../../src/queue/manage.js';
import { captureSettings, onEachServer, Pos } from '../support/capture.js';
import { poolerProxy } from '../support/pooler-proxy.js';

const SETTINGS = [
  ['default_transaction_isolation', 'serializable', 'read committed'],
  ['array_nulls', 'off', 'on'],
  ['transform_null_equals', 'on', 'off'],
  ['standard_conforming_strings', 'off', 'on'],
  ['quote_all_identifiers', 'on', 'off'],
  ['max_parallel_workers_per_gather', '4', '0'],
  ['tcp_keepalives_idle', '7200', '10'],
  ['tcp_keepalives_interval', '75', '5'],
  ['tcp_keepalives_count', '9', '3'],
] as const;

/** What many a database has that came from another product or from before 8.3; beside them `1 || 'a'` means nothing any more. */
const CAST = ['int4', 'int8', 'oid', 'numeric', 'date', 'timestamptz'].map(
  (type) => `CREATE CAST (${type} AS text) WITH INOUT AS IMPLICIT`,
);

onEachServer('a database with settings of its own', (pos, server) => {
  const entities = { sale: 'sale' };
  beforeAll(async () => {
    await pos().capture(`${CAST.join(';')}; CREATE TABLE sale (id bigint PRIMARY KEY, name text)`, entities);
    for (const [name, theirs] of SETTINGS) await pos().sql.query(`ALTER DATABASE pos SET ${name} = '${theirs}'`);
  });

  test('keeps them to itself', async () => {
    const client = await openClient(pos().url, { role: 'test' }, () => {});
    try {
      const { rows } = await client.query<{ name: string; setting: string }>('SELECT name, setting FROM pg_settings');
      const found = new Map(rows.map(({ name, setting }) => [name, setting]));
      expect(SETTINGS.map(([name]) => [name, found.get(name)])).toEqual(SETTINGS.map(([name, , ours]) => [name, ours]));
    } finally {
      await client.end();
    }
  });

  test('shows no drift where there is none', async () => {
    const db = openDb(server.cluster().url('pos', 'syncd'), { role: 'upkeep' });
    const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };
    try {
      await watchOnce({ db, settings: captureSettings(entities), log: silent, onHolds: () => {} });
    } finally {
      await db.destroy();
    }
    const { rows } = await pos().sql.query('SELECT drift FROM syncd.capture');
    expect(rows).toEqual([{ drift: null }]);
  });

  test('may have casts to text: what is sold, compared and managed does not lean on there being none', async () => {
    const db = openDb(server.cluster().url('pos', 'syncd'), { role: 'upkeep' });
    try {
      expect(await pos().write("INSERT INTO sale VALUES (1, 'a')", 'UPDATE sale SET id = 2')).toHaveLength(3);
      const walked = { entity: 'sale' } as ProvenTable['walked'];
      expect(await bucketsHere(db, { walked, day: undefined, timezone: 'UTC' })).toEqual([]);
      expect(await retryChanges(db, ['999'], 'budi')).toEqual(await discardChanges(db, ['999'], 'budi', 'no'));
      expect(await retryIncoming(db, ['999'], 'budi')).toEqual(await dropIncoming(db, ['999'], 'budi', 'no'));
    } finally {
      await db.destroy();
    }
  });

  test('may publish all tables: ours are among them then, which a subscriber would miss, and install says so beforehand', async () => {
    const published = await Pos.open(server.cluster(), 'published');
    try {
      await published.sql.query('CREATE TABLE sale (id int PRIMARY KEY); CREATE PUBLICATION everything FOR ALL TABLES');
      const install = (dryRun = false) =>
        installCapture({ adminUrl: published.url, settings: captureSettings(entities), dryRun });
      const told = [expect.stringMatching(/^publication "everything" publishes all tables, .*pg_dump -s -n syncd/)];
      expect((await install(true)).notices).toEqual(told);
      expect((await install()).notices).toEqual(told);
      expect((await install()).notices).toEqual([]);
      await published.write('INSERT INTO sale VALUES (1)');
      await published.sql.query('UPDATE syncd.sync_queue SET retry_count = 1; DELETE FROM syncd.sync_queue');
    } finally {
      await published.close();
    }
  });

  test.each(['refused', 'dropped'] as const)('are not read through a pooler that has ours %s', async (options) => {
    const url = new URL(pos().url);
    const pooler = await poolerProxy(Number(url.port), url.hostname, options);
    url.port = String((pooler.address() as AddressInfo).port);
    try {
      await expect(findPrimary([url.href])).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('is a pooler'),
        hint: expect.stringContaining('database.url'),
      });
    } finally {
      await new Promise((closed) => pooler.close(closed));
    }
  });
});

test('of several servers none of which serves, each is told with what is wrong with it', async () => {
  const looking = findPrimary(['postgres://127.0.0.1:1/pos', 'postgres://127.0.0.1:2/pos']);
  await expect(looking).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/127\.0\.0\.1:1\/pos does not answer: .*; 127\.0\.0\.1:2\/pos does not answer: /),
  });
});

test('a server is called what it is, by its socket and port as well', () => {
  expect(nameOf('postgres://syncd:secret@[::1]:5433/a%20b')).toBe('[::1]:5433/a b');
  expect(nameOf('postgres:///pos?host=%2Ftmp%2Fso%2541ck&port=5433')).toBe('/tmp/so%41ck:5433/pos');
});
