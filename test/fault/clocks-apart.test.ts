/**
 * The cloud's clock is not the shop's: ahead, behind, and so far off that nobody can tell. `newest_wins` goes by the instants of
 * the edits as one clock would show them, and stands back where it cannot know. Wants libfaketime (apt-get install faketime).
 */
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '../../src/time.js';
import { syncd } from '../support/cli.js';
import { TlsFront } from '../support/tls-front.js';
import { OUTLET, Stand } from './stand.js';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';
const here = existsSync(LIBRARY) ? describe : describe.skip;
/** More than a tie, and than the offset may be wrong by. */
const APART_MS = 2_500;

here('with libfaketime', () => {
  let stand: Stand;
  let front: TlsFront;
  let directory: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'syncd-clocks-'));
    setCloudClock(0);
    stand = await Stand.open({
      twoWay: true,
      mergeFallback: 'newest_wins',
      cloudEnv: {
        LD_PRELOAD: LIBRARY,
        FAKETIME_TIMESTAMP_FILE: join(directory, 'clock'),
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
      cloudUrl: async (cloud) => {
        const url = new URL(cloud.url);
        front = await TlsFront.start(Number(url.port), directory);
        return `https://localhost:${front.port}${url.pathname}`;
      },
      caFile: () => front.caFile,
    });
  }, 60_000);
  afterEach(() => stand.daemon.kill());
  afterAll(async () => {
    await stand?.close();
    await front?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  function setCloudClock(seconds: number): void {
    const file = join(directory, 'clock');
    writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    utimesSync(file, new Date(), new Date());
  }

  /** A daemon that knows nothing of earlier clocks has learnt this one. */
  async function startKnowing(seconds: number): Promise<void> {
    setCloudClock(seconds);
    await stand.query('TRUNCATE syncd.clock_offsets');
    stand.daemon.start();
    await stand.until('the offset is known', 20_000, async () => {
      const [known] = await stand.query<{ ms: number | null }>(
        'SELECT offset_ms AS ms FROM syncd.clock_offsets ORDER BY id DESC LIMIT 1',
      );
      return known?.ms != null && Math.abs(known.ms - seconds * 1_000) < 1_000;
    });
    await stand.quiet(30_000);
  }

  const shop = (id: number, price: number) =>
    stand.query('UPDATE products SET price = $2, updated_at = clock_timestamp() WHERE id = $1', [id, price]);
  const office = (id: number, price: number) =>
    stand.cloud.edit({ entity_type: 'product', entity_id: String(id), patch: `{"price":${price}.00}` });
  /** Nothing goes either way meanwhile. */
  async function apart(edit: () => Promise<unknown>): Promise<void> {
    await stand.daemon.kill();
    await edit();
    stand.daemon.start();
  }
  const conflict = async (id: number) => {
    const [one] = await stand.query<{ id: string; status: string; resolution: string | null; reason: string | null }>(
      `SELECT id, status, resolution, reason FROM syncd.sync_conflicts WHERE entity_type = 'product' AND entity_id = $1 ORDER BY id DESC LIMIT 1`,
      [String(id)],
    );
    return one;
  };

  test.each([
    ['ahead', 40],
    ['behind', -40],
  ])(
    'the edit that was made last wins, whoever made it, with the cloud’s clock %s by %i s',
    async (_, seconds) => {
      await startKnowing(seconds);
      const [shopLast, officeLast] = seconds > 0 ? [1, 2] : [3, 4];
      await apart(async () => {
        await office(shopLast, 1_100);
        await shop(officeLast, 2_200);
        await sleep(APART_MS);
        await shop(shopLast, 1_111);
        await office(officeLast, 2_222);
      });
      await stand.quiet(30_000);
      expect(await conflict(shopLast)).toMatchObject({ status: 'resolved', resolution: 'local' });
      expect(await conflict(officeLast)).toMatchObject({ status: 'resolved', resolution: 'cloud' });
      const prices = await stand.query<{ id: string; price: string }>(
        'SELECT id::text, price::float8::text AS price FROM products WHERE id = ANY ($1) ORDER BY id',
        [[shopLast, officeLast]],
      );
      expect(prices.map(({ price }) => price)).toEqual(['1111', '2222']);
      const cloud = await stand.cloud.entities(OUTLET, 'product');
      for (const { id, price } of prices)
        expect(Number(JSON.parse(cloud.find((one) => one.entity_id === id)?.data ?? '{}').price)).toBe(Number(price));
      expect(await stand.findings()).toEqual([]);
    },
    90_000,
  );

  test.each([
    ['ahead', 600],
    ['behind', -600],
  ])(
    'a clock ten minutes %s decides nothing: a person does',
    async (_, seconds) => {
      await startKnowing(seconds);
      const id = seconds > 0 ? 5 : 6;
      await apart(async () => {
        await shop(id, 3_300);
        await office(id, 3_333);
      });
      await stand.until('a conflict that waits', 20_000, async () => (await conflict(id))?.reason != null);
      expect(await conflict(id)).toMatchObject({
        status: 'open',
        reason: expect.stringMatching(/newest_wins is suspended: the shop's clock was (599|600|601) s off/),
      });
      const resolve = ['resolve', (await conflict(id))?.id ?? '', '--strategy', 'cloud_wins'];
      expect(await syncd([...resolve, '--config', stand.configFile])).toMatchObject({ code: 0 });
      await stand.quiet(30_000);
    },
    90_000,
  );
});
