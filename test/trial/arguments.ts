/** What the trial is given on its command line. It is looked at before a server is started, and a fault in it is one line. */
import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { codeOf, wordsOf } from '../../src/errors.js';

const USAGE = 'npm run trial -- pagila-schema.sql pagila-data.sql [--clients 4] [--transactions 3000]';
/** EX_USAGE and EX_NOINPUT of sysexits.h. */
const EXIT = { usage: 64, noInput: 66 } as const;

export type Arguments =
  | { kind: 'given'; schema: string; data: string; clients: string; transactions: string }
  | { kind: 'refused'; line: string; exitCode: number };

export function readArguments(args: string[]): Arguments {
  let given: ReturnType<typeof parsed>;
  try {
    given = parsed(args);
  } catch (error) {
    return refused(wordsOf(error));
  }
  const { values, positionals } = given;
  const [schema, data, ...more] = positionals.map((file) => resolve(file));
  if (schema === undefined || data === undefined || more.length > 0) return refused('it takes two files');
  const wrong = Object.entries(values).find(([, value]) => !/^[1-9]\d*$/.test(value));
  if (wrong !== undefined) return refused(`--${wrong[0]} is a number from 1 upwards, not ${wrong[1]}`);
  for (const file of [schema, data]) {
    const fault = faultOf(file);
    if (fault !== undefined)
      return { kind: 'refused', line: `${file}: ${fault}. README.md tells where to get it`, exitCode: EXIT.noInput };
  }
  return { kind: 'given', schema, data, ...values };
}

function parsed(args: string[]) {
  return parseArgs({
    args,
    allowPositionals: true,
    options: { clients: { type: 'string', default: '4' }, transactions: { type: 'string', default: '3000' } },
  });
}

function refused(reason: string): Arguments {
  return { kind: 'refused', line: `${reason}; usage: ${USAGE}`, exitCode: EXIT.usage };
}

function faultOf(file: string): string | undefined {
  try {
    accessSync(file, constants.R_OK);
    return statSync(file).isFile() ? undefined : 'it is no file';
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? 'there is no such file' : `it cannot be read: ${codeOf(error)}`;
  }
}
