/**
 * Two daemons, each with a state directory of its own as on two hosts. The leader freezes: the other one takes over within 30 s, the
 * old one settles nothing when it wakes, and stands by from then on.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monotonicMs } from '../../src/time.js';
import { Daemon } from './daemon.js';
import { Stand } from './stand.js';

const TAKEOVER_MS = 30_000;
let stand: Stand;
let second: Daemon;

beforeAll(async () => {
  stand = await Stand.open();
  const other = join(stand.directory, 'second.yaml');
  const text = readFileSync(stand.configFile, 'utf8').replace(
    /^state_dir: .*$/m,
    `state_dir: '${join(stand.directory, 'other')}'`,
  );
  writeFileSync(other, text, { mode: 0o600 });
  second = new Daemon(stand.directory, other, 'second');
}, 60_000);
afterAll(async () => {
  await second?.kill();
  await stand?.close();
});

const has = (role: 'leader' | 'standby', pid: number) => async () =>
  (
    await stand.query(
      `SELECT FROM syncd.daemon WHERE role = $1 AND pid = $2 AND (role = 'standby' OR leader_epoch = (SELECT max(leader_epoch) FROM syncd.daemon))`,
      [role, pid],
    )
  ).length === 1;

test('a standby takes over from a frozen leader, which then stands by and takes over in its turn', async () => {
  stand.daemon.start({}, ['--standby']);
  await stand.until('the first one leads', 15_000, has('leader', stand.daemon.pid));
  second.start({}, ['--standby']);
  await stand.until('the second one stands by', 15_000, has('standby', second.pid));
  // Its memory is made while a living leader vouches for the database.
  await stand.until('its memory', 15_000, () => existsSync(join(stand.directory, 'other', 'identity.json')));
  expect(second.words()).not.toContain('admin port');
  const seller = stand.sell({ pauseMs: 25 });
  await stand.until('20 sales', 15_000, () => seller.sold >= 20);
  // Frozen in the middle of its work: answers to what is under way are still to be settled.
  const before = await stand.accepted();
  await stand.until('more is pushed', 15_000, async () => (await stand.accepted()) > before);
  process.kill(stand.daemon.pid, 'SIGSTOP');
  const frozenAt = monotonicMs();
  await stand.until('the second one leads', TAKEOVER_MS, has('leader', second.pid));
  const taken = await stand.accepted();
  await stand.until('it pushes', TAKEOVER_MS, async () => (await stand.accepted()) > taken);
  expect(monotonicMs() - frozenAt).toBeLessThan(TAKEOVER_MS);
  await stand.until('it says so', 5_000, () => second.words().includes('this daemon works on the database now'));
  process.kill(stand.daemon.pid, 'SIGCONT');
  await stand.until('the first one stands by', 15_000, has('standby', stand.daemon.pid));
  await second.kill();
  await stand.until('the first one leads again', 15_000, has('leader', stand.daemon.pid));
  await stand.quiet();
  expect(await stand.findings()).toEqual([]);
  const end = await stand.daemon.end();
  expect(end.code).toBe(0);
}, 120_000);
