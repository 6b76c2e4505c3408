/** The archive for the person on call: what is in it, and what never is. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { syncd } from '../support/cli.js';
import { DoctorStage } from '../support/doctor/stage.js';

let stage: DoctorStage;

beforeAll(async () => {
  stage = await DoctorStage.open();
});
afterAll(() => stage?.close());

test('syncd support-bundle is one archive for its owner, without rows and without secrets', async () => {
  await stage.shop.sql.query(`INSERT INTO orders (status, secret_note) VALUES ('planted-row-value', 'planted-note')`);
  const file = join(stage.directory, 'bundle.tar.gz');
  const { code, stdout } = await syncd(['support-bundle', '--config', stage.shop.config, '--output', file, '--json']);
  expect(code).toBe(0);
  const { entries } = JSON.parse(stdout);
  expect(entries).toEqual(
    expect.arrayContaining(['status.json', 'doctor.json', 'config.json', 'logs.json', 'relations.json', 'sizes.json']),
  );
  expect(execFileSync('stat', ['-c', '%a', file]).toString().trim()).toBe('600');
  execFileSync('tar', ['-xzf', file, '-C', stage.directory, '--strip-components=1']);
  const text = entries.map((name: string) => readFileSync(join(stage.directory, name), 'utf8')).join('\n');
  expect(text).toContain('"entity_type": "order"');
  expect(text).not.toMatch(/planted-/);
  await stage.shop.sql.query('DELETE FROM orders');
  await stage.shop.sql.query('DELETE FROM syncd.sync_queue');
});

test('a support bundle is made while the database is away, too; in a directory it names itself', async () => {
  const output = ['--output', stage.directory, '--json'];
  const { code, stdout } = await syncd(['support-bundle', '--config', stage.shop.config, ...output], {
    DATABASE_URL: 'postgres://u@127.0.0.1:1/pos',
  });
  expect(code).toBe(0);
  const { file } = JSON.parse(stdout);
  expect(file).toMatch(new RegExp(`^${stage.directory}/syncd-support-.*\\.tar\\.gz$`));
  const status = execFileSync('tar', ['-xzOf', file, '--wildcards', '*/status.json']).toString();
  expect(JSON.parse(status)).toEqual({ missing: expect.stringMatching(/ECONNREFUSED/) });
});

test('what could not be had is told, and so is how it comes in: the journal of one who may read it', async () => {
  const journal = join(stage.directory, 'journal');
  writeFileSync(journal, 'planted words of the daemon\n');
  const args = ['support-bundle', '--config', stage.shop.config, '--output', join(stage.directory, 'given.tar.gz')];
  const given = JSON.parse((await syncd([...args, '--journal', journal, '--json'])).stdout);
  expect(given.missing).toEqual([]);
  expect(execFileSync('tar', ['-xzOf', given.file, '--wildcards', '*/journal.txt']).toString()).toContain(
    'planted words',
  );
  const { code, stdout } = await syncd([...args, '--journal', '/nowhere/journal'], {
    DATABASE_URL: 'postgres://u@127.0.0.1:1/pos',
  });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^not in it: status\.json, logs\.json, .*: .*ECONNREFUSED/m);
  expect(stdout).toMatch(/^not in it: journal\.txt: .*ENOENT/m);
  expect(stdout).toMatch(/^To have the journal in it: sudo journalctl -u syncd /m);
});
