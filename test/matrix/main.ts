/**
 * `npm run test:matrix [-- --postgres 14,15 --node 22,24 --tests test/integration]`: the tests on every PostgreSQL and every Node
 * that syncd runs on. By default the integration tests on PostgreSQL 13 to 18, and on the other Nodes the unit tests and a few of
 * the integration. One after the other, at low priority, for hours if need be. Prints a line for each leg; exits 1 if one failed.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { copyOfProject, nodeBinary, postgresPackage, startedVersions } from './place.js';

/** The way out, the way in, the daemon as a whole: enough to meet every module of Node's that syncd uses. */
const ON_OTHER_NODES = 'test/unit,test/integration/(daemon|apply|pull-loop|webhooks|admin-api|cli-json|reload)\\.test';
const NEWEST = '18';

const { values } = parseArgs({
  options: {
    postgres: { type: 'string', default: '13,14,15,16,17,18' },
    node: { type: 'string', default: '20,22,24' },
    tests: { type: 'string' },
  },
});

type Leg = { name: string; node: string; postgres: string | undefined; tests: string };

const here = process.versions.node.split('.')[0] as string;
const listed = (text: string) => text.split(',').filter((one) => one !== '');
const legs: Leg[] = [
  ...listed(values.postgres).map((major) => ({
    name: `PostgreSQL ${major}, Node ${here}`,
    node: here,
    postgres: major === NEWEST ? undefined : major,
    tests: values.tests ?? 'test/integration',
  })),
  ...listed(values.node)
    .filter((major) => major !== here)
    .map((major) => ({
      name: `Node ${major}, PostgreSQL ${NEWEST}`,
      node: major,
      postgres: undefined,
      tests: values.tests ?? ON_OTHER_NODES,
    })),
];

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
let failed = false;
for (const { name, node, postgres, tests } of legs) {
  const from = performance.now();
  const cwd = copyOfProject(postgres === undefined ? undefined : postgresPackage(postgres));
  const binary = nodeBinary(node);
  const started = startedVersions(cwd, binary);
  if (!started.node.startsWith(`${node}.`) || !started.postgres.startsWith(`${postgres ?? NEWEST}.`)) {
    failed = true;
    process.stdout.write(`✗ ${name}: it would be PostgreSQL ${started.postgres} on Node ${started.node}\n`);
    continue;
  }
  const jest = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
  const run = spawnSync('nice', [binary, ...jest, '--silent', ...listed(tests)], {
    cwd,
    encoding: 'utf8',
    maxBuffer: 256 << 20,
  });
  const words = `${run.stdout}${run.stderr}`;
  const ok = run.status === 0;
  failed ||= !ok;
  const counts = /^Tests: +(.*)$/m.exec(words)?.[1] ?? 'no test ran';
  const minutes = ((performance.now() - from) / 60_000).toFixed(1);
  process.stdout.write(`${ok ? '✓' : '✗'} ${name}: ${counts} (${minutes} min)\n`);
  if (ok) continue;
  const log = join(tmpdir(), `syncd-matrix-${name.replaceAll(/\W+/g, '-')}.log`);
  writeFileSync(log, words);
  const named = words.split('\n').filter((line) => /^\s+● .+ › |^FAIL/.test(line));
  for (const line of new Set(named.map((one) => one.trim()))) process.stdout.write(`  ${line}\n`);
  process.stdout.write(`  all of it: ${log}\n`);
}
process.exitCode = failed ? 1 : 0;
