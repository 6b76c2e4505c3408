/** The files for systemd and for Debian: shut tight enough, and in step with the program. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadSettings } from '../../src/config/load.js';
import { keysAt } from '../../src/config/schema.js';

const read = (name: string) => readFileSync(join('systemd', name), 'utf8');
const unit = read('syncd.service');
const valuesOf = (name: string) => [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value);
const onSystemd = existsSync('/usr/bin/systemd-analyze') ? test : test.skip;
const analyse = (...args: string[]) =>
  execFileSync('systemd-analyze', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

onSystemd('systemd reckons the service as shut: an exposure of 1.6 at most', () => {
  const told = analyse('security', '--offline=true', '--no-pager', '--threshold=16', 'systemd/syncd.service');
  expect(told).toMatch(/exposure level for syncd\.service: [01]\.\d/);
});

onSystemd('the nightly comparison is shut as tightly, and reads the same credentials', () => {
  const nightly = read('syncd-verify.service');
  analyse('security', '--offline=true', '--no-pager', '--threshold=16', 'systemd/syncd-verify.service');
  const credentials = (text: string) => text.split('\n').filter((line) => /^(Load|Set)Credential=/.test(line));
  expect(credentials(nightly)).toEqual(credentials(unit));
  expect(credentials(nightly)).toHaveLength(10);
  expect(analyse('calendar', /^OnCalendar=(.*)$/m.exec(read('syncd-verify.timer'))?.[1] as string)).toMatch(
    /Next elapse/,
  );
});

test('every credential that the program reads is handed over, and may be missing', () => {
  const named = [
    ...`${readFileSync('src/config/secrets.ts', 'utf8')}${readFileSync('src/config/secret-files.ts', 'utf8')}`.matchAll(
      /credential: '(\w+)'/g,
    ),
  ];
  const names = named.map(([, name]) => name).sort();
  expect(names.length).toBe(5);
  expect(
    valuesOf('LoadCredential')
      .map((value) => value?.split(':')[0])
      .sort(),
  ).toEqual(names);
  expect(valuesOf('SetCredential').sort()).toEqual(names.map((name) => `${name}:\\n`));
});

test('an end by a fault in the configuration stays one, any other does not, however often', () => {
  expect([valuesOf('Restart'), valuesOf('RestartPreventExitStatus'), valuesOf('StartLimitIntervalSec')]).toEqual([
    ['always'],
    ['78'],
    ['0'],
  ]);
  expect(unit).not.toMatch(/^(Requires|BindsTo|Requisite)=/m);
});

test('the example names every section and every field of a section, and is taken as it stands', () => {
  const file = join('systemd', 'syncd.example.yaml');
  const text = readFileSync(file, 'utf8');
  const elsewhere = ['cloud.api_key', 'database.url_file', 'sync.since', 'log.format'];
  const missing = keysAt([])
    .flatMap((section) => [section, ...keysAt([section]).map((field) => `${section}.${field}`)])
    .filter((path) => !elsewhere.includes(path))
    .filter((path) => !new RegExp(`^#?${path.split('.')[0]}:[^]*\\b${path.split('.').at(-1)}:`, 'm').test(text));
  expect(missing.filter((path) => path.includes('.'))).toEqual([]);
  expect(keysAt([]).filter((section) => !new RegExp(`^#?${section}:`, 'm').test(text))).toEqual([]);
  expect(loadSettings({ file, env: {}, secrets: 'left' }).settings.entities.size).toBe(6);
});
