/**
 * The daemon's clock is wrong: it starts in 1970 or in 2100, or jumps a day while the cloud is away. Every change still arrives, and no
 * wait grows by the jump. Wants libfaketime (apt-get install faketime).
 */
import { existsSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Stand } from './stand.js';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';
const DAY_S = 86_400;
const here = existsSync(LIBRARY) ? describe : describe.skip;

here('with libfaketime', () => {
  let stand: Stand;
  let clockFile: string;
  beforeAll(async () => {
    stand = await Stand.open();
    clockFile = join(stand.directory, 'clock');
  });
  afterEach(async () => {
    await stand.cloud.clearFaults();
    await stand.daemon.kill();
  });
  afterAll(() => stand?.close());

  /** What the daemon's clock is off by; read anew at every look at it. */
  function setClock(offset: string): void {
    writeFileSync(clockFile, `${offset}\n`);
    utimesSync(clockFile, new Date(), new Date());
  }

  function startDaemon(): void {
    stand.daemon.start({
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: clockFile,
      FAKETIME_NO_CACHE: '1',
      // The clock on the wall jumps; the one that counts from the start of the machine never does.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    });
  }

  test.each([
    ['1970', -Math.floor(Date.now() / 1000) + DAY_S],
    ['2100', Math.floor((Date.UTC(2100, 0, 2) - Date.now()) / 1000)],
  ])('a daemon whose clock starts in %s sends everything, and ends when told', async (year, offset) => {
    setClock(`${offset < 0 ? '' : '+'}${offset}`);
    const before = stand.daemon.words().length;
    startDaemon();
    const seller = stand.sell();
    await stand.until('20 sales', 10_000, () => seller.sold >= 20);
    await stand.quiet();
    expect(stand.daemon.words().slice(before)).toContain(`"at":"${year}-01-0`);
    expect(await stand.findings()).toEqual([]);
    const years = (await stand.cloud.ledger()).map((one) => one.changed_at.slice(0, 4));
    expect(new Set(years)).toEqual(new Set([String(new Date().getUTCFullYear())]));
    expect(await stand.daemon.end()).toMatchObject({ code: 0 });
  });

  test.each([
    ['forward', `+${DAY_S}`],
    ['back', `-${DAY_S}`],
  ])(
    'the clock jumps a day %s while the cloud is away, and no wait gets stuck',
    async (_, jump) => {
      setClock('+0');
      startDaemon();
      await stand.quiet();
      await stand.cloud.addFault({ kind: 'reset' });
      await stand.addCustomers(1);
      await stand.until('the outage is noticed', 10_000, async () => (await offline()) > 0);
      setClock(jump);
      await stand.cloud.clearFaults();
      await stand.quiet(20_000);
      expect(await stand.findings()).toEqual([]);
    },
    45_000,
  );

  test('the clock jumps back a day while the cloud asks to wait and while it refuses, and no wait gets stuck', async () => {
    for (const [status, retryAfter] of [
      [429, { seconds: 1 }],
      [401, undefined],
    ] as const) {
      setClock('+0');
      if (!stand.daemon.running) startDaemon();
      await stand.quiet();
      await stand.cloud.addFault({
        kind: 'status',
        status,
        times: 1,
        match: { path: '/sync/push' },
        ...(retryAfter && { retryAfter }),
      });
      const { pushes } = await stand.cloud.statistics();
      await stand.addCustomers(1);
      await stand.until('the refusal', 10_000, async () => (await stand.cloud.statistics()).pushes > pushes);
      setClock(`-${DAY_S}`);
      await stand.quiet(20_000);
    }
    expect(await stand.findings()).toEqual([]);
  }, 60_000);

  async function offline(): Promise<number> {
    return (await stand.query('SELECT FROM syncd.daemon WHERE pid = $1 AND online = false', [stand.daemon.pid])).length;
  }
});
