/** Where the output goes may go away, or be full: what is to be done is done, what only shows ends, and no result is lost unsaid. */
import { execFile, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Cluster } from '../../src/demo/postgres.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;

beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'cli_output');
});
afterAll(async () => {
  await shop?.close();
  await cluster?.destroy();
});

const args = (...words: string[]) => ['bin/syncd.js', ...words, '--config', shop.config];
/** Runs it for a reader that looks at one line and goes. */
const forOneLine = (...words: string[]) =>
  new Promise<{ code: number | null; line: string }>((resolve) => {
    let line = '';
    const child = execFile(process.execPath, args(...words));
    child.stdout?.once('data', (text) => {
      line = String(text).split('\n', 1)[0] as string;
      child.stdout?.destroy();
    });
    child.once('exit', (code) => resolve({ code, line }));
  });
const captured = async () =>
  (
    await shop.sql.query(
      "SELECT count(DISTINCT tgrelid)::int AS n FROM pg_trigger WHERE tgname LIKE '!syncd %' AND NOT tgisinternal",
    )
  ).rows[0].n;

test('an install goes on to its end though nobody reads what it does', async () => {
  expect(await forOneLine('uninstall')).toMatchObject({ code: 0, line: expect.stringContaining('triggers') });
  expect(await captured()).toBe(0);
  expect(await forOneLine('install')).toMatchObject({ code: 0, line: 'role syncd_owner' });
  expect(await captured()).toBe(3);
});

test('what goes on for as long as somebody looks ends with its reader', async () => {
  expect(await forOneLine('status', '--watch')).toMatchObject({ code: 0 });
});

test('a result that the disk does not take is a failure', () => {
  const full = openSync('/dev/full', 'w');
  const run = spawnSync(process.execPath, args('config'), { stdio: ['ignore', full, 'pipe'] });
  closeSync(full);
  expect(String(run.stderr)).toMatch(/^syncd: the output could not be written: .*ENOSPC/);
  expect(run.status).toBe(1);
});
