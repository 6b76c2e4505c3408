/** The archive of the support bundle, as the system's tar reads it. */
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeArchive } from '../../src/support/archive.js';
import { tarOf } from '../../src/support/tar.js';

const FILES = [
  { name: 'bundle/empty.txt', text: '' },
  { name: 'bundle/block.txt', text: 'x'.repeat(512) },
  { name: 'bundle/words.txt', text: 'Kopi Susu – 18.000\n'.repeat(1_000) },
];

test('tar lists and unpacks what was packed', () => {
  const archive = tarOf(FILES, new Date('2026-11-22T08:30:00Z'));
  const tar = (...args: string[]) =>
    execFileSync('tar', args, { input: archive, encoding: 'utf8', env: { TZ: 'UTC', PATH: '/usr/bin:/bin' } });
  expect(
    tar('-tvf', '-')
      .trimEnd()
      .split('\n')
      .map((line) => line.replaceAll(/ +/g, ' ')),
  ).toEqual([
    '-rw------- 0/0 0 2026-11-22 08:30 bundle/empty.txt',
    '-rw------- 0/0 512 2026-11-22 08:30 bundle/block.txt',
    `-rw------- 0/0 ${Buffer.byteLength(FILES[2]?.text ?? '')} 2026-11-22 08:30 bundle/words.txt`,
  ]);
  for (const { name, text } of FILES) expect(tar('-xOf', '-', name)).toBe(text);
});

test('an archive goes neither through a link nor into a file that somebody has laid in its way', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'syncd-tar-'));
  try {
    const [path, victim] = [join(directory, 'bundle.tar.gz'), join(directory, 'victim')];
    writeFileSync(victim, 'untouched');
    symlinkSync(victim, `${path}.part`);
    await writeArchive(path, 'folder', FILES, new Date());
    expect(readFileSync(victim, 'utf8')).toBe('untouched');
    writeFileSync(`${path}.part`, '', { mode: 0o666 });
    await writeArchive(path, 'folder', FILES, new Date());
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory).sort()).toEqual(['bundle.tar.gz', 'victim']);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
