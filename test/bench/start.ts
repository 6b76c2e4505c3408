/**
 * H: how soon a daemon that is started sends what waits, and how soon `syncd status` answers. Both as a shop has them: a process is
 * started, reads its configuration, connects.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { seededRandom } from '../../src/demo/shop/random.js';
import { openStage, type Stage } from '../../src/demo/stage.js';
import { sleep } from '../../src/time.js';
import type { Measurement } from './measurement.js';
import { figureOf } from './report.js';

const LOST_MS = 30_000;

export const start: Measurement = {
  benches: ['H'],
  async measure(_wanted, { rounds }, progress) {
    const stage = await openStage({ random: seededRandom(1), clock: () => new Date().toISOString() });
    try {
      await drained(stage);
      const pushes: number[] = [];
      const answers: number[] = [];
      for (let round = 0; round < rounds; round++) {
        progress(`round ${round + 1} of ${rounds}`);
        answers.push(await statusMs(stage));
        await stage.daemon.stop();
        pushes.push(await firstPushMs(stage));
        await drained(stage);
      }
      const common = { bench: 'H', reference: '', unit: 's', detail: {} };
      return [
        figureOf(pushes, {
          ...common,
          what: 'from the start to the first push',
          bound: { must: 2, aim: 1, better: 'lower' },
        }),
        figureOf(answers, { ...common, what: 'syncd status', bound: { must: 0.5, aim: 0.25, better: 'lower' } }),
      ];
    } finally {
      await stage.close();
    }
  },
};

async function drained(stage: Stage): Promise<void> {
  if (!(await stage.until(LOST_MS, async () => (await stage.queue()).waiting === 0)))
    throw new Error('it did not drain');
}

async function firstPushMs(stage: Stage): Promise<number> {
  // Not everything that happens at a till is a change.
  do await stage.till.act();
  while ((await stage.queue()).waiting === 0);
  const { ledger } = stage.cloud;
  const delivered = ledger.deliveries.length;
  const from = performance.now();
  stage.daemon.start();
  while (ledger.deliveries.length === delivered) {
    if (performance.now() - from > LOST_MS) throw new Error('nothing was pushed');
    await sleep(2);
  }
  return (performance.now() - from) / 1_000;
}

async function statusMs({ configFile, directory }: Stage): Promise<number> {
  const from = performance.now();
  await promisify(execFile)(process.execPath, ['bin/syncd.js', 'status', '--json', '--config', configFile], {
    env: { PATH: '/usr/bin:/bin', HOME: directory },
  });
  return (performance.now() - from) / 1_000;
}
