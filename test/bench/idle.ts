/**
 * G: what a daemon costs that has nothing to do, as a closed shop has it at night: both ways configured, webhooks heard, the cloud
 * within reach, every chore at its turn. Processor time from /proc, queries from the server's own log, the server's log volume from
 * its position. The window begins with a checkpoint and is as long as the pause between two: the first change of a page after
 * one writes the whole page, which is most of an idle server's volume. Every database is tidied up before, or the server itself would
 * do so in the window: that costs more volume than the daemon writes in ten minutes, and is none of its doing.
 */
import pg from 'pg';
import { seededRandom } from '../../src/demo/shop/random.js';
import { openStage } from '../../src/demo/stage.js';
import { sleep } from '../../src/time.js';
import type { Measurement } from './measurement.js';
import { type Figure, figureOf } from './report.js';
import { cpuOf } from './server.js';

/** After the last sale the loops go to sleep, one after the other. */
const SETTLE_MS = 20_000;
/** What the VACUUMs have written of the catalogue is tidied up by the server itself, at its second round. */
const TIDY_MS = 130_000;
const DRAIN_MS = 30_000;
const LOGGING = {
  logging_collector: 'on',
  log_statement: 'all',
  log_line_prefix: '%a|',
  log_rotation_age: '0',
  log_rotation_size: '0',
};

export const idle: Measurement = {
  benches: ['G'],
  async measure(_wanted, { idleSeconds }, progress) {
    const stage = await openStage({
      random: seededRandom(1),
      clock: () => new Date().toISOString(),
      postgres: LOGGING,
    });
    try {
      for (let sale = 0; sale < 50; sale++) await stage.till.act();
      await stage.until(DRAIN_MS, async () => (await stage.queue()).waiting === 0);
      await sleep(SETTLE_MS);
      const pid = stage.daemon.pid as number;
      for (const database of [stage.owner.database, 'postgres', 'template1']) await tidy(stage.owner, database);
      await sleep(TIDY_MS);
      await stage.owner.query('CHECKPOINT');
      const before = await look(stage.owner, pid);
      progress(`left alone for ${idleSeconds} s`);
      await sleep(idleSeconds * 1_000);
      const after = await look(stage.owner, pid);
      if (stage.daemon.pid !== pid) throw new Error('the daemon did not live through it');
      const seconds = (after.at - before.at) / 1_000;
      const statements = await statementsBetween(stage.owner, before.logged, after.logged);
      const common = { bench: 'G', reference: '', detail: {} };
      return [
        figureOf([(after.cpuMs - before.cpuMs) / seconds / 10], {
          ...common,
          what: 'idle, processor time',
          unit: '%',
          bound: { must: 0.5, aim: 0.25, better: 'lower' },
        }),
        figureOf([total(statements) / seconds], {
          ...common,
          what: 'idle, queries',
          unit: '/s',
          bound: { must: 2, aim: 1, better: 'lower' },
          detail: Object.fromEntries([...statements].map(([role, count]) => [role, count / seconds])),
        }),
        figureOf([(((after.wal - before.wal) / seconds) * 3_600) / 1024 / 1024], {
          ...common,
          what: 'idle, WAL',
          unit: 'MB/h',
          bound: { must: 1, aim: 0.5, better: 'lower' },
        }),
      ] satisfies Figure[];
    } finally {
      await stage.close();
    }
  },
};

async function tidy({ host, port, user, password }: pg.Client, database: string | undefined): Promise<void> {
  const client = new pg.Client({ host, port, user, password, database, ssl: false });
  await client.connect();
  await client.query('VACUUM ANALYZE');
  await client.end();
}

type Look = { at: number; cpuMs: number; wal: number; logged: number };

async function look(owner: pg.Client, pid: number): Promise<Look> {
  const { rows } = await owner.query(
    "SELECT pg_current_wal_insert_lsn() - '0/0' AS wal, (pg_stat_file(pg_current_logfile())).size AS logged",
  );
  return { at: performance.now(), cpuMs: cpuOf(pid), wal: Number(rows[0].wal), logged: Number(rows[0].logged) };
}

/** By the part of the daemon that asked; what others asked does not count. */
async function statementsBetween(owner: pg.Client, from: number, to: number): Promise<Map<string, number>> {
  const { rows } = await owner.query('SELECT pg_read_file(pg_current_logfile(), $1, $2) AS text', [from, to - from]);
  const counts = new Map<string, number>();
  for (const [, role] of (rows[0].text as string).matchAll(/^syncd ([\w ]+)\|LOG: +(?:statement|execute [^:]*):/gm))
    counts.set(role as string, (counts.get(role as string) ?? 0) + 1);
  return counts;
}

function total(counts: Map<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
