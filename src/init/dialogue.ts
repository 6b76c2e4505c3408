/**
 * The conversation of `syncd init`: who this outlet is, where the cloud is, and of every proposed table whether to take it, leave it,
 * or change it. Knows no terminal; whoever calls it brings the two ends of one. An empty answer takes what is proposed.
 */

import { cloudUrl, headerText, isEntityName, timezone } from '../config/scalars.js';
import { count } from '../ops/status/words.js';
import { inDirection, type Proposal, type Proposed } from './propose.js';
import { type Answers, notesFor } from './yaml.js';

export type Ends = { ask(question: string): Promise<string>; say(text: string): void };

const HELP = 'y takes it, n leaves it out, e changes it, a takes this and all that follow, q ends without a file';

/** @returns undefined where the person ends without a file */
export async function converse(
  ends: Ends,
  proposal: Proposal,
  answers: Answers,
): Promise<{ proposal: Proposal; answers: Answers } | undefined> {
  const given = await askAnswers(ends, answers);
  ends.say(`${count(proposal.entities.length, 'table')} to capture. ${HELP}.`);
  const chosen: Proposal = { entities: [], leftOut: [...proposal.leftOut] };
  let all = false;
  for (const one of proposal.entities) {
    if (all) {
      chosen.entities.push(one);
      continue;
    }
    const names = [...proposal.entities, ...chosen.entities]
      .filter((other) => other !== one)
      .map(({ entity }) => entity);
    const taken = await askEntity(ends, one, names);
    if (taken === 'quit') return undefined;
    if (taken === 'leave') chosen.leftOut.push({ table: one.settings.table, reason: 'left out by choice' });
    else chosen.entities.push(taken.entity);
    all = typeof taken === 'object' && taken.all;
  }
  return { proposal: chosen, answers: given };
}

async function askAnswers(ends: Ends, { outlet, databaseUrl, cloudUrl: url }: Answers): Promise<Answers> {
  const id = await valid(
    ends,
    "The outlet's id, as head office knows it",
    outlet.id,
    headerText,
    'visible characters without blanks',
  );
  const code = await ends.ask(`Its name for people, JKT-014 say${outlet.code ? ` [${outlet.code}]` : ' (none)'}: `);
  const zone = await valid(ends, 'Its time zone', outlet.timezone, timezone, 'a time zone, such as Asia/Jakarta');
  const cloud = await valid(ends, "The cloud's URL", url, cloudUrl, 'an https URL without login, query or fragment');
  return { outlet: { id, code: code.trim() || outlet.code, timezone: zone }, databaseUrl, cloudUrl: cloud };
}

/** Asks until the answer can be read. */
async function valid(
  ends: Ends,
  question: string,
  proposed: string,
  read: (raw: unknown) => string | undefined,
  takes: string,
): Promise<string> {
  for (;;) {
    const answer = (await ends.ask(`${question} [${proposed}]: `)).trim();
    const value = answer === '' ? proposed : read(answer);
    if (value !== undefined) return value;
    ends.say(`It takes ${takes}.`);
  }
}

type Taken = 'quit' | 'leave' | { entity: Proposed; all: boolean };

async function askEntity(ends: Ends, one: Proposed, names: readonly string[]): Promise<Taken> {
  for (;;) {
    ends.say(described(one));
    const answer = (await ends.ask('Capture it? [Y/n/e/a/q] ')).trim().toLowerCase();
    switch (answer) {
      case '':
      case 'y':
        return { entity: one, all: false };
      case 'a':
        return { entity: one, all: true };
      case 'n':
        return 'leave';
      case 'q':
        return 'quit';
      case 'e':
        return { entity: await edited(ends, one, names), all: false };
      default:
        ends.say(`${HELP}.`);
    }
  }
}

function described(one: Proposed): string {
  const { entity, settings, rows } = one;
  const { table, key, direction, exclude, coalesce } = settings;
  const facts = [
    direction,
    ...(key ? [`key ${key.join(', ')}`] : []),
    ...(exclude.length > 0 ? [`without ${exclude.join(', ')}`] : []),
    ...(coalesce ? ['newest state only'] : []),
    ...(rows === null ? [] : [`about ${count(Math.round(rows), 'row')}`]),
  ];
  return [`\n${entity}  ${table}: ${facts.join('; ')}`, ...notesFor(one).map((note) => `  ${note}`)].join('\n');
}

/** @param names of the other entities */
async function edited(ends: Ends, one: Proposed, names: readonly string[]): Promise<Proposed> {
  const { settings } = one;
  const free = (raw: unknown) =>
    typeof raw === 'string' && isEntityName(raw) && !names.includes(raw) ? raw : undefined;
  const entity = await valid(
    ends,
    'Name',
    one.entity,
    free,
    'letters, digits, _ and -, beginning with a letter, and not taken',
  );
  const direction = await valid(
    ends,
    'Direction: push, pull or both',
    settings.direction,
    (raw) => ['push', 'pull', 'both'].find((word) => word === raw),
    'push, pull or both',
  );
  const exclude = await askExcluded(ends, one);
  const changed = inDirection(one, direction as typeof settings.direction);
  // Why it was proposed in the direction that it has now no more is no reason for the other.
  const notes =
    direction === settings.direction ? one.notes : one.notes.filter((note) => !note.startsWith('master data'));
  return { ...changed, entity, notes, settings: { ...changed.settings, exclude } };
}

async function askExcluded(ends: Ends, { columns, settings }: Proposed): Promise<string[]> {
  for (;;) {
    const now = settings.exclude.join(', ');
    const answer = (await ends.ask(`Columns that stay in the shop, with commas; - for none [${now}]: `)).trim();
    if (answer === '') return settings.exclude;
    if (answer === '-') return [];
    const names = answer.split(',').map((name) => name.trim());
    const unknown = names.filter((name) => !columns.includes(name));
    if (unknown.length === 0) return [...new Set(names)];
    ends.say(`Not there, or part of the key: ${unknown.join(', ')}. There are: ${columns.join(', ')}.`);
  }
}
