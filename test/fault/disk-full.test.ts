/**
 * The disk under the queue is full: a real file system of a few megabytes, filled by somebody else. Sales commit, what was missed is
 * counted, found and queued once there is room; and capture steps aside before it comes to that. Needs root, to mount.
 */
import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareStateDir } from '../../src/config/state-dir.js';
import { Cluster } from '../../src/demo/postgres.js';
import { files } from '../../src/doctor/checks/configuration.js';
import type { Patient } from '../../src/doctor/patient.js';
import type { Log, LogFields } from '../../src/log.js';
import { diskChore } from '../../src/ops/disk.js';
import { DISK_AUTHOR } from '../../src/ops/disk-forecast.js';
import { statusOf } from '../../src/ops/status/report.js';
import { captureSettings } from '../support/capture.js';
import { WalkStage } from '../support/walk-stage.js';

const MEGABYTE = 1_000_000;
const NOBODY = 65534;
const asRoot = process.getuid?.() === 0 ? describe : describe.skip;

asRoot('a disk of sixteen megabytes', () => {
  let cluster: Cluster;
  let stage: WalkStage;
  let disk: string;
  const lines: { level: string; message: string; fields: LogFields }[] = [];
  const note =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void lines.push({ level, message, fields });
  const log: Log = { error: note('error'), warn: note('warn'), info: note('info'), debug: note('debug') };

  beforeAll(async () => {
    disk = mkdtempSync(join(tmpdir(), 'syncd-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', disk]);
    execFileSync('mkdir', [join(disk, 'space')]);
    chownSync(join(disk, 'space'), NOBODY, NOBODY);
    cluster = await Cluster.start();
    stage = await WalkStage.open(cluster, 'till');
    await stage.tables("CREATE TABLE sale (id int PRIMARY KEY, note text DEFAULT repeat('x', 500))", { sale: 'sale' });
    await stage.rows(`CREATE TABLESPACE small LOCATION '${join(disk, 'space')}'`);
    await stage.rows('ALTER TABLE syncd.sync_queue SET TABLESPACE small');
  }, 60_000);
  afterAll(async () => {
    await stage?.close();
    await cluster?.destroy();
    execFileSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  });

  const filler = () => join(disk, 'filler');
  const free = () => statfsSync(disk).bavail * statfsSync(disk).bsize;
  /** Somebody else's file takes all but so much. */
  const fill = (leaving: number) => {
    rmSync(filler(), { force: true });
    writeFileSync(filler(), Buffer.alloc(Math.max(0, free() - leaving)));
  };
  const sell = (from: number, to: number) => stage.rows(`INSERT INTO sale (id) SELECT generate_series(${from}, ${to})`);
  const settings = () => ({ path: disk, warnMs: 86_400_000, floorBytes: 5 * MEGABYTE });
  const status = async () => {
    const base = captureSettings({ sale: 'sale' });
    return (await statusOf(stage.db, { ...base, disk: settings() })).report;
  };
  const look = () => diskChore(stage.db, settings(), log).run(new AbortController().signal);
  /** Every sale is in the queue or agreed. */
  const missing = () =>
    stage.rows(
      `SELECT id FROM sale WHERE id::text NOT IN (SELECT entity_id FROM syncd.sync_queue WHERE entity_type = 'sale')`,
    );

  test('full: sales commit, the failure is counted, and the gap is found and repaired once there is room', async () => {
    await sell(1, 100);
    fill(0);
    let sold = 100;
    for (; (await stage.pos.failures('sale')) < 3; sold += 50) await sell(sold + 1, sold + 50);
    expect(await stage.rows('SELECT count(*)::int AS n FROM sale')).toEqual([{ n: sold }]);
    expect((await missing()).length).toBeGreaterThan(0);
    expect(await status()).toMatchObject({ state: 'critical', capture: { failures: 3, healed: 0 } });
    // While the disk is full, the comparison cannot queue either; it stays asked for.
    await stage.reconcileFailures().catch(() => {});
    expect(await stage.lastWalk()).toMatchObject({ kind: 'reconcile', finished: false });
    rmSync(filler());
    await stage.finish();
    expect(await missing()).toEqual([]);
    const report = await status();
    expect(report.capture).toMatchObject({ failures: 0, healed: 3 });
    expect(report.findings.filter(({ topic }) => topic === 'capture')).toEqual([]);
  });

  test('below the floor capture steps aside, loudly, and goes on with room to spare, without a gap', async () => {
    await stage.settleAll();
    const [before] = await stage.rows<{ n: number }>('SELECT max(id) AS n FROM sale');
    const last = before?.n ?? 0;
    fill(4 * MEGABYTE);
    await look();
    expect(lines.at(-1)).toMatchObject({ level: 'error', message: expect.stringContaining('capture is suspended') });
    await sell(last + 1, last + 20);
    expect(await missing()).toHaveLength(20);
    const report = await status();
    expect(report.state).toBe('critical');
    expect(report.suspended).toEqual([
      expect.objectContaining({
        entity_type: 'sale',
        by: DISK_AUTHOR,
        reason: expect.stringContaining('less than disk.floor'),
      }),
    ]);
    expect(report.disk).toMatchObject({ path: disk, problem: null });
    // At the edge nothing is switched back and forth.
    fill(5.5 * MEGABYTE);
    await look();
    expect((await status()).suspended).toHaveLength(1);
    rmSync(filler());
    await look();
    expect(lines.at(-1)).toMatchObject({ level: 'info', message: expect.stringContaining('capture goes on') });
    expect((await status()).suspended).toEqual([]);
    await stage.finish();
    expect(await missing()).toEqual([]);
    await sell(last + 21, last + 21);
    expect(await missing()).toEqual([]);
  });

  test('what a person has suspended stays so, whatever the disk does', async () => {
    await stage.rows("SELECT syncd.suspend_capture('sale', 'Budi', 'POS 4.2')");
    fill(4 * MEGABYTE);
    await look();
    rmSync(filler());
    await look();
    expect((await status()).suspended).toEqual([
      expect.objectContaining({ entity_type: 'sale', by: 'Budi', reason: 'POS 4.2' }),
    ]);
    await stage.rows("SELECT syncd.resume_capture('sale', 'Budi')");
  });

  test('a state directory on a full disk is refused, told by the doctor, and no try leaves a file behind', async () => {
    const directory = join(disk, 'state');
    prepareStateDir(directory);
    fill(0);
    const full = { code: 'failed', message: expect.stringContaining('the disk is full') };
    expect(() => prepareStateDir(directory)).toThrow(expect.objectContaining(full));
    expect(await files.look({ settings: { ...settings(), state_dir: directory } } as unknown as Patient)).toEqual([
      expect.objectContaining({ state: 'warn', why: expect.stringMatching(/one that starts anew ends/) }),
    ]);
    rmSync(filler());
    expect(readdirSync(directory)).toEqual([]);
  });

  test('a path that is not there is told, and changes nothing', async () => {
    await diskChore(stage.db, { ...settings(), path: join(disk, 'nowhere') }, log).run(new AbortController().signal);
    expect(lines.at(-1)).toMatchObject({ level: 'warn', message: expect.stringContaining('is disk.path right?') });
    expect((await status()).reasons).toContainEqual(
      expect.stringContaining('the disk cannot be watched: there is no '),
    );
    expect((await status()).suspended).toEqual([]);
  });

  test('once nobody watches the disk any more, what was suspended for its sake captures again', async () => {
    fill(4 * MEGABYTE);
    await look();
    rmSync(filler());
    await diskChore(stage.db, undefined, log).run(new AbortController().signal);
    expect((await status()).suspended).toEqual([]);
  });
});
