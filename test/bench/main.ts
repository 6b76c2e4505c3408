/**
 * `npm run bench [-- A1 A3 …]`: measures syncd against bare references, interleaved in one run, and prints one table, or one
 * JSON object with --json. Progress goes to stderr. Nothing here is a test: a missed bound is shown, not failed.
 */
import { parseArgs } from 'node:util';
import { wordsOf } from '../../src/errors.js';
import { apply } from './apply.js';
import { captureBulk } from './capture-bulk.js';
import { captureInstructions } from './capture-instructions.js';
import { captureSales } from './capture-sales.js';
import { drain } from './drain.js';
import { flood } from './flood.js';
import { idle } from './idle.js';
import { jobQueues } from './job-queues.js';
import { latency } from './latency.js';
import { latencyUnderLoad } from './latency-under-load.js';
import type { BenchOptions, Measurement } from './measurement.js';
import { oldSnapshot } from './old-snapshot.js';
import { outage } from './outage.js';
import { type Figure, type Report, tableOf, verdictOf } from './report.js';
import { machineOf } from './server.js';
import { start } from './start.js';
import { wireBytes } from './wire-bytes.js';

const MEASUREMENTS: Measurement[] = [
  captureSales,
  captureBulk,
  captureInstructions,
  drain,
  oldSnapshot,
  jobQueues,
  apply,
  latency,
  latencyUnderLoad,
  wireBytes,
  flood,
  idle,
  start,
  outage,
];
const KNOWN = MEASUREMENTS.flatMap((measurement) => measurement.benches);
const USAGE = `npm run bench -- [${KNOWN.join(' ')}] [--rounds 9] [--seconds 3] [--flush-us 0] [--changes 200000] [--singles 300] [--idle 300] [--million] [--json]`;

/** What commit_delay takes. */
const LONGEST_FLUSH_US = 100_000;

const { values, positionals } = given();
const unknown = positionals.filter((name) => !KNOWN.includes(name));
if (values.help) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
if (unknown.length > 0) refuse(`no such measurement: ${unknown.join(' ')}`);

const options: BenchOptions = {
  rounds: countOf('rounds'),
  seconds: countOf('seconds'),
  flushUs: countOf('flush-us', 0, LONGEST_FLUSH_US),
  changes: countOf('changes'),
  singles: countOf('singles'),
  idleSeconds: countOf('idle'),
  million: values.million,
};
// Whoever ends it early leaves no server and no daemon behind: both go with the process's exit.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const machine = machineOf();
const figures: Figure[] = [];
for (const { benches, measure } of MEASUREMENTS) {
  const wanted = benches.filter((name) => positionals.length === 0 || positionals.includes(name));
  if (wanted.length === 0) continue;
  figures.push(...(await measure(wanted, options, (line) => process.stderr.write(`${wanted.join(' ')}: ${line}\n`))));
}
const report: Report = { machine: { ...machine, load_at_end: machineOf().load_at_start as number }, options, figures };
const json = { ...report, figures: figures.map((figure) => ({ ...figure, verdict: verdictOf(figure) })) };
process.stdout.write(`${values.json ? JSON.stringify(json, null, 2) : tableOf(report)}\n`);

function given() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '9' },
        seconds: { type: 'string', default: '3' },
        'flush-us': { type: 'string', default: '0' },
        changes: { type: 'string', default: '200000' },
        singles: { type: 'string', default: '300' },
        idle: { type: 'string', default: '300' },
        million: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    return refuse(wordsOf(error));
  }
}

function countOf(
  name: 'rounds' | 'seconds' | 'flush-us' | 'changes' | 'singles' | 'idle',
  least = 1,
  most = Number.POSITIVE_INFINITY,
): number {
  const count = Number(values[name]);
  if (Number.isInteger(count) && count >= least && count <= most) return count;
  const range = most === Number.POSITIVE_INFINITY ? `${least} on` : `${least} to ${most}`;
  return refuse(`--${name} ${values[name]}: not a whole number from ${range}`);
}

function refuse(why: string): never {
  process.stderr.write(`${why}\n${USAGE}\n`);
  process.exit(64);
}
