/**
 * The reference cloud as a process of its own, to be killed and started again:
 * `node dist/demo/cloud/main.js --options FILE [--port N] [--journal FILE] [--with-parent]`. The options are a JSON file, so that the API key
 * stands in no process list. Prints one line of JSON once it listens. Ends on SIGTERM and SIGINT; with
 * `--with-parent` also when its standard input ends, so that it never outlives whoever started it.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { SyncError, wordsOf } from '../../errors.js';
import type { CloudOptions } from './open.js';
import { startReferenceCloud } from './server.js';

const { values } = parseArgs({
  options: {
    options: { type: 'string' },
    port: { type: 'string' },
    journal: { type: 'string' },
    'with-parent': { type: 'boolean' },
  },
});

try {
  if (values.options === undefined)
    throw new SyncError('usage', 'cannot start the reference cloud: --options FILE is missing');
  const cloud = await startReferenceCloud({
    ...(JSON.parse(readFileSync(values.options, 'utf8')) as CloudOptions),
    ...(values.port === undefined ? {} : { port: Number(values.port) }),
    ...(values.journal === undefined ? {} : { journal: values.journal }),
  });
  const end = () => void cloud.stop().then(() => process.exit(0));
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
  if (values['with-parent'] === true) process.stdin.once('end', end).resume();
  process.stdout.write(`${JSON.stringify({ url: cloud.url, port: cloud.port, pid: process.pid })}\n`);
} catch (error) {
  process.stderr.write(`${wordsOf(error)}\n`);
  process.exitCode = 1;
}
