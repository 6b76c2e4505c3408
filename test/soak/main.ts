/**
 * `npm run soak [-- --minutes 10 --pace 5 --seed 1]`: a shop with the real daemon sells for minutes or days, at so many sales a
 * second, while the cloud has a fault now and then. Prints a line for each look, then how each figure has grown, and exits 1 where
 * one grew beyond its bound, the daemon fell, or something was not in the cloud in the end.
 */
import { parseArgs } from 'node:util';
import { seededRandom } from '../../src/demo/shop/random.js';
import { openStage, type Stage } from '../../src/demo/stage.js';
import { sleep } from '../../src/time.js';
import { FIGURES, Lookout, type Name } from './look.js';
import { judge, round, type Sample } from './slope.js';
import { openWal, WAL_SETTINGS } from './wal.js';

const DRAIN_MS = 120_000;
/** A fault comes on the average once in this time. */
const FAULT_EVERY_MS = 90_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    pace: { type: 'string', default: '5' },
    seed: { type: 'string', default: '1' },
  },
});
const [minutes, pace, seed] = [Number(values.minutes), Number(values.pace), Number(values.seed)];
if (!(minutes > 0 && pace > 0 && Number.isInteger(seed))) {
  process.stderr.write('npm run soak -- [--minutes 10] [--pace 5] [--seed 1]\n');
  process.exit(64);
}

const random = seededRandom(seed);
const stage = await openStage({ random, clock: () => new Date().toISOString(), postgres: WAL_SETTINGS });
const over = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => over.abort());
const series = new Map<Name, Sample[]>(FIGURES.map(({ name }) => [name, []]));
let sales = 0;
let troubled = false;

try {
  process.exitCode = await soak();
} finally {
  await stage.close();
}

async function soak(): Promise<number> {
  const startedAt = performance.now();
  const endAt = startedAt + minutes * 60_000;
  const lookEveryMs = Math.min(60_000, Math.max(5_000, (minutes * 60_000) / 60));
  process.stdout.write(
    `${['minute', 'sales', ...FIGURES.map(({ name, unit }) => (unit ? `${name} ${unit}` : name))].join('\t')}\n`,
  );
  await openWal(stage.owner);
  const lookout = new Lookout(stage.owner);
  const selling = sellAlong(endAt);
  const faulting = faultAlong(stage);
  for (let lookAtMs = startedAt + lookEveryMs; lookAtMs <= endAt + 1 && !over.signal.aborted; lookAtMs += lookEveryMs) {
    await sleep(lookAtMs - performance.now(), over.signal);
    if (stage.daemon.fell) break;
    const figures = await lookout.look(stage.daemon.pid as number, sales, troubled);
    if (!troubled) figures.latency = await latencyMs();
    const minute = (performance.now() - startedAt) / 60_000;
    for (const { name } of FIGURES) {
      const value = figures[name];
      // What a fault of the cloud brings about is no trend.
      if (value !== undefined && !(troubled && name === 'queue')) series.get(name)?.push({ minute, value });
    }
    const cells = FIGURES.map(({ name }) => (figures[name] === undefined ? '-' : round(figures[name])));
    process.stdout.write(`${[minute.toFixed(1), sales, ...cells].join('\t')}${troubled ? '\tfault' : ''}\n`);
  }
  over.abort();
  await Promise.all([selling, faulting]);
  return told(await drained());
}

async function sellAlong(endAt: number): Promise<void> {
  while (!over.signal.aborted && performance.now() < endAt) {
    await sleep(((0.5 + random.fraction()) * 1_000) / pace, over.signal);
    await stage.till.act();
    sales += 1;
  }
}

/** Outages, refused answers, lost acks: each heals by itself. */
async function faultAlong({ cloud }: Stage): Promise<void> {
  while (!over.signal.aborted) {
    await sleep((0.5 + random.fraction()) * FAULT_EVERY_MS, over.signal);
    if (over.signal.aborted) return;
    troubled = true;
    const kind = Math.floor(random.fraction() * 3);
    if (kind === 0) {
      await cloud.down();
      await sleep(8_000, over.signal);
      await cloud.up();
    } else {
      cloud.faults.add(kind === 1 ? { kind: 'status', status: 503, times: 5 } : { kind: 'lost-ack', times: 5 });
      await sleep(5_000, over.signal);
      cloud.faults.clear();
    }
    await stage.until(30_000, async () => (await stage.queue()).waiting === 0);
    troubled = false;
  }
}

/** From a commit until nothing waits any more. */
async function latencyMs(): Promise<number> {
  const from = performance.now();
  await stage.until(10_000, async () => (await stage.queue()).waiting === 0);
  return performance.now() - from;
}

async function drained(): Promise<boolean> {
  stage.cloud.faults.clear();
  await stage.cloud.up();
  return stage.until(DRAIN_MS, async () => {
    const { waiting, troubled: failed } = await stage.queue();
    return waiting === 0 && failed === 0;
  });
}

function told(isDrained: boolean): number {
  const faults: string[] = [];
  if (stage.daemon.fell) faults.push(`the daemon fell; its log: ${stage.daemon.logFile}`);
  if (!isDrained) faults.push('not everything was in the cloud in the end');
  if (stage.cloud.ledger.violations.length > 0) faults.push('the cloud saw its contract broken');
  process.stdout.write('\nfigure\tfirst\tlast\tmost\tan hour\n');
  for (const { name, unit, bound } of FIGURES) {
    const samples = series.get(name) ?? [];
    if (samples.length === 0) continue;
    const { first, last, most, perHour, fault } = judge(samples, bound);
    process.stdout.write(
      `${[name, ...[first, last, most].map(round), `${perHour >= 0 ? '+' : ''}${round(perHour)} ${unit}`].join('\t')}\n`,
    );
    if (fault) faults.push(`${name} ${fault}`);
  }
  process.stdout.write(`${sales} sales; ${faults.length === 0 ? 'sound' : faults.join('; ')}\n`);
  return faults.length === 0 ? 0 : 1;
}
