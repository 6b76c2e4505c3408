/**
 * PostgreSQL goes away under the daemon: restarted fast and at once, a backend killed, frozen, not there yet at the start. The
 * same daemon heals by itself within 10 s, and no sale is lost, doubled or made up.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { monotonicMs, sleep } from '../../src/time.js';
import { checkBounds } from '../support/convergence/bounds.js';
import { SOAK, seeded } from '../support/convergence/soak.js';
import { Stand } from './stand.js';

const HEALS_WITHIN_MS = 10_000;
let stand: Stand;
let pid: number;

beforeAll(async () => {
  // The server itself flushes asynchronous commits as rarely as it can.
  stand = await Stand.open({ postgres: { wal_writer_delay: '10s', wal_writer_flush_after: '1GB' } });
  stand.daemon.start();
  pid = stand.daemon.pid;
  await stand.quiet();
});
afterEach(() => stand?.closeTills());
afterAll(() => stand?.close());

/** From now on: something new reaches the cloud soon, then everything does, by the same daemon, and nothing contradicts it. */
async function expectHealed(): Promise<void> {
  const before = await stand.accepted();
  const startedAt = monotonicMs();
  await stand.until('a push after the fault', HEALS_WITHIN_MS, async () => (await stand.accepted()) > before);
  SOAK?.(`healed after ${Math.round(monotonicMs() - startedAt)} ms`);
  await stand.quiet();
  expect(stand.daemon.pid).toBe(pid);
  expect(await stand.findings()).toEqual([]);
}

test.each(['fast', 'immediate'] as const)(
  'PostgreSQL is restarted (%s) while the tills sell',
  async (mode) => {
    for (let restarts = 0; restarts < (SOAK ? 20 : 2); restarts += 1) {
      const seller = stand.sell({ pauseMs: 0 });
      await stand.until('20 sales', 10_000, () => seller.sold >= 20);
      await stand.cluster.stop(mode);
      await stand.cluster.start();
      await expectHealed();
    }
  },
  SOAK ? 600_000 : 60_000,
);

test.each(['leader', 'gate', 'reader', 'settler', 'control', 'listen'])(
  "the backend of the daemon's connection %s is killed while the tills sell",
  async (role) => {
    const seller = stand.sell({ pauseMs: 0 });
    await stand.until('10 sales', 10_000, () => seller.sold >= 10);
    await stand.until(`a connection ${role}`, HEALS_WITHIN_MS, async () => {
      const killed = await stand.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
        [`syncd ${role}`],
      );
      return killed.length === 1;
    });
    await expectHealed();
    expect(await connectionsOf('listen')).toBe(1);
    // Requests that were given up with the connection are no outage of the cloud.
    expect(stand.daemon.words()).not.toContain('the cloud is away');
    expect(await checkBounds(await stand.owner(), pid, stand.daemon.logFile)).toEqual([]);
  },
);

/** A connection that is missing is on its way. */
async function connectionsOf(role: string): Promise<number> {
  const open = () => stand.query('SELECT FROM pg_stat_activity WHERE application_name = $1', [`syncd ${role}`]);
  await stand.until(`a connection ${role}`, HEALS_WITHIN_MS, async () => (await open()).length > 0);
  return (await open()).length;
}

test(
  'the whole server is frozen for some seconds',
  async () => {
    const seller = stand.sell({ pauseMs: 0 });
    await stand.until('20 sales', 10_000, () => seller.sold >= 20);
    const frozen = serverProcesses();
    expect(frozen.length).toBeGreaterThan(6);
    for (const one of frozen) process.kill(one, 'SIGSTOP');
    // Above the time-out of a query the daemon has to make its connections anew.
    await sleep(SOAK ? 75_000 : 3_000);
    for (const one of frozen) process.kill(one, 'SIGCONT');
    await expectHealed();
  },
  SOAK ? 180_000 : 30_000,
);

function serverProcesses(): number[] {
  const postmaster = stand.cluster.pid ?? 0;
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return new RegExp(`\\) \\S ${postmaster} `).test(readFileSync(`/proc/${name}/stat`, 'utf8'));
      } catch {
        return false;
      }
    });
  return [postmaster, ...children.map(Number)];
}

test('PostgreSQL is not there yet when the daemon starts', async () => {
  await stand.daemon.end();
  await stand.cluster.stop();
  const told = () => stand.daemon.words().split('database is away').length;
  const before = told();
  stand.daemon.start();
  pid = stand.daemon.pid;
  await stand.until('the daemon tells it', 10_000, () => told() > before);
  await stand.cluster.start();
  stand.sell();
  await expectHealed();
});

test(
  'sales whose commits were lost in a crash never reach the cloud',
  () =>
    seeded(async (seed) => {
      for (let crashes = 0; crashes < (SOAK ? 50 : 4); crashes += 1) {
        // The cloud applies a batch and is slow to say so: a commit that was sent before it was on disk is lost now.
        await stand.cloud.addFault({ kind: 'latency', ms: 1_000, match: { path: '/sync/push' } });
        const before = await stand.accepted();
        stand.sell({ seed: seed + crashes, pauseMs: 5, tills: 3, synchronousCommit: 'off' });
        await stand.until('a push between the sales', 15_000, async () => (await stand.accepted()) > before);
        await stand.cluster.stop('immediate');
        await stand.cluster.start();
        await stand.cloud.clearFaults();
        await expectHealed();
      }
    }),
  SOAK ? 900_000 : 60_000,
);
