/**
 * `npm run test:systemd`: installs the Debian package on a machine with a real systemd and plays what a shop's machine goes
 * through. Prints a line for each scene; exits 1 with the first that fails, and shows the journal then. Takes five to ten minutes.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wordsOf } from '../../src/errors.js';
import { VERSION } from '../../src/version.js';
import { Machine, packNode } from './machine.js';
import { PACKAGE_SCENES } from './package-scenes.js';
import { SCENES } from './scenes.js';
import { Service } from './service.js';

const suite = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'bookworm';
const directory = mkdtempSync(join(tmpdir(), 'syncd-packages-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const next = `${VERSION}+next`;
for (const version of [VERSION, next]) {
  execFileSync('bash', ['systemd/debian/build.sh', directory], {
    env: { ...process.env, SYNCD_DEB_VERSION: version },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
const machine = await Machine.boot(suite);
const service = new Service(machine);
machine.copyIn(packNode(directory), '/root/nodejs.deb');
machine.copyIn(join(directory, `syncd_${VERSION}_all.deb`), '/root/syncd.deb');
machine.copyIn(join(directory, `syncd_${next}_all.deb`), '/root/syncd-next.deb');
let failed = 0;
for (const [title, play] of [...SCENES, ...PACKAGE_SCENES]) {
  const from = performance.now();
  try {
    const told = await play(service);
    process.stdout.write(`✓ ${title}${told === undefined ? '' : `: ${told}`} (${seconds(from)})\n`);
  } catch (error) {
    failed = 1;
    process.stdout.write(`✗ ${title} (${seconds(from)})\n${error instanceof Error ? error.stack : wordsOf(error)}\n`);
    process.stdout.write(
      (await machine.run('journalctl -u syncd --no-pager | tail -60; systemctl status syncd --no-pager')).stdout,
    );
    break;
  }
}
await machine.end();
process.exitCode = failed;

function seconds(from: number): string {
  return `${((performance.now() - from) / 1_000).toFixed(1)} s`;
}
