/**
 * Writes syncd.yaml with its reasons as comments. Pure. What is written is what install reads: every value that YAML might take for
 * something else stands in quotes.
 */
import { wrapped } from '../ops/status/words.js';
import type { LeftOut, Proposal, Proposed } from './propose.js';

export type Answers = {
  outlet: { id: string; code: string | undefined; timezone: string };
  databaseUrl: string;
  cloudUrl: string;
};

/** What a person should know of an answer that was not given. */
export type Remarks = { outlet: string[]; database: string[]; cloud: string[] };

const WIDTH = 110;

export function writeYaml({ entities, leftOut }: Proposal, answers: Answers, remarks: Remarks): string {
  const { outlet, databaseUrl, cloudUrl } = answers;
  const lines = [
    ...comment('Made by syncd init from the tables of this database: a proposal, to be read before it is installed.'),
    ...comment('syncd config checks it; syncd install --dry-run prints what it would do; syncd install does it.'),
    '',
    ...comment(...remarks.outlet),
    'outlet:',
    `  id: ${scalar(outlet.id)}`,
    ...(outlet.code === undefined
      ? ['  # code: JKT-014   # the name that people use']
      : [`  code: ${scalar(outlet.code)}`]),
    `  timezone: ${scalar(outlet.timezone)}   # where "today" begins`,
    '',
    ...comment(...remarks.database),
    'database:',
    `  url: ${scalar(databaseUrl)}`,
    '',
    ...comment(...remarks.cloud),
    'cloud:',
    `  url: ${scalar(cloudUrl)}`,
    '  api_key_file: /etc/syncd/credentials/cloud_api_key',
    '',
    ...comment('Without this section the cloud is asked for its changes; with it, it may call as well.'),
    '# webhook: { listen: 0.0.0.0:8420, secrets_file: /etc/syncd/credentials/webhook_secrets, allow_ips: [203.0.113.0/24] }',
    '',
    ...comment(
      'What is captured. push: the shop alone writes it. pull: head office alone does. both: both do.',
      'conflict: merge: where both have changed one column, a person decides. exclude: columns that never leave the shop.',
    ),
    'entities:',
    ...entities.flatMap(entityLines),
    ...leftOutLines(leftOut),
  ];
  return `${lines.join('\n')}\n`;
}

/** Those that hold in its direction. */
export function notesFor({ settings, notes, incoming }: Proposed): string[] {
  return settings.direction === 'push' ? notes : [...notes, ...incoming.notes];
}

function entityLines(one: Proposed): string[] {
  const { entity, settings } = one;
  const { table, key, direction, conflict, exclude, coalesce, local, also_writes, date_field, money_field } = settings;
  const fields: [name: string, value: string | undefined][] = [
    ['table', scalar(table)],
    ['key', key && list(key)],
    ['direction', direction],
    ['conflict', conflict],
    ['exclude', some(exclude)],
    ['coalesce', coalesce ? 'true' : undefined],
    ['local', some(local)],
    ['also_writes', some(also_writes)],
    ['date_field', date_field && scalar(date_field)],
    ['money_field', money_field && scalar(money_field)],
  ];
  return [
    ...comment(...notesFor(one)).map((line) => `  ${line}`),
    `  ${entity}:`,
    ...fields.flatMap(([name, value]) => (value === undefined ? [] : [`    ${name}: ${value}`])),
  ];
}

/** Tables of one reason stand together; those of a partitioned table are many. */
function leftOutLines(leftOut: LeftOut[]): string[] {
  if (leftOut.length === 0) return [];
  const reasons = new Map<string, string[]>();
  for (const { table, reason } of leftOut) reasons.set(reason, [...(reasons.get(reason) ?? []), table]);
  const told = [...reasons].flatMap(([reason, tables]) => {
    const shown =
      tables.length > 8 ? `${tables.slice(0, 6).join(', ')} and ${tables.length - 6} more` : tables.join(', ');
    return comment(`- ${shown}: ${reason}`);
  });
  return ['', ...comment('Left out:'), ...told];
}

const some = (names: string[]): string | undefined => (names.length === 0 ? undefined : list(names));
const list = (items: string[]): string => `[${items.map(scalar).join(', ')}]`;

/** Plain where nobody can misread it, else in single quotes. */
export function scalar(text: string): string {
  const plain = /^[A-Za-z_./][\w./:@?=&+%-]*$/.test(text) && !/:$|: | #/.test(text);
  const word = /^(true|false|yes|no|on|off|null|y|n|~)$/i.test(text) || /^[.+-]?\d/.test(text);
  return plain && !word ? text : `'${text.replaceAll("'", "''")}'`;
}

/** A name of the database may hold anything; a comment ends with its line. */
function comment(...texts: string[]): string[] {
  return texts.flatMap((text) => wrapped(text, WIDTH)).map((line) => `# ${line}`);
}
