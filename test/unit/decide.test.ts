/** What is done with an incoming change, cell by cell: the whole table is a golden file, and its rules hold for every cell. */
import {
  type Arrival,
  compareVersions,
  type Decision,
  decide,
  type Local,
  type Relation,
  relationOf,
  type Situation,
  situationOf,
} from '../../src/apply/decide.js';
import { golden } from '../support/golden.js';

const PENDING = ['create', 'update', 'delete'] as const;
const SITUATIONS: [name: string, situation: Situation][] = [
  ['unknown here', { kind: 'unknown' }],
  ['agreed', { kind: 'agreed' }],
  ['deleted, agreed', { kind: 'tombstone' }],
  ['agreed, row is lost', { kind: 'lost' }],
  ['row never agreed, equal', { kind: 'unmanaged', equal: true }],
  ['row never agreed, differs', { kind: 'unmanaged', equal: false }],
  ...PENDING.map((pending): [string, Situation] => [`${pending} may be under way`, { kind: 'fresh', pending }]),
  ...PENDING.map((pending): [string, Situation] => [`${pending} not at the cloud`, { kind: 'stuck', pending }]),
  ['conflict is open', { kind: 'conflict' }],
  ['a sale is writing it', { kind: 'busy' }],
];
const OPERATIONS: Arrival['operation'][] = ['create', 'update', 'delete', 'hint'];
const RELATIONS: Relation[] = ['newer', 'same', 'stale', 'none'];

function tableOf(): string {
  const columns = OPERATIONS.flatMap((operation) =>
    RELATIONS.map((relation): [string, Arrival] => [`${operation} ${relation}`, { operation, relation }]),
  );
  const rows = [
    ['', ...columns.map(([name]) => name)],
    ...SITUATIONS.map(([name, situation]) => [name, ...columns.map(([, arrival]) => decide(situation, arrival))]),
  ];
  const widths = (rows[0] as string[]).map((_, place) => Math.max(...rows.map((row) => (row[place] as string).length)));
  const line = (row: string[]) =>
    row
      .map((cell, place) => cell.padEnd(widths[place] as number))
      .join('  ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
}

test('the whole table is the one in the golden file', () => {
  golden('decide.txt', tableOf());
});

const cells = SITUATIONS.flatMap(([name, situation]) =>
  OPERATIONS.flatMap((operation) =>
    RELATIONS.map((relation) => ({
      name,
      situation,
      operation,
      relation,
      decision: decide(situation, { operation, relation }),
    })),
  ),
);
const WRITES: Decision[] = ['write', 'delete', 'adopt'];

test('what is not newer changes nothing anywhere, but for a lost row that somebody asked for', () => {
  const changing = cells.filter(
    ({ relation, decision }) => relation !== 'newer' && relation !== 'none' && decision !== 'ignore',
  );
  expect(new Set(changing.map(({ situation, relation }) => `${situation.kind} ${relation}`))).toEqual(
    new Set(['lost same']),
  );
});

test('a change of the shop that the cloud may not have is never written over', () => {
  const own = cells.filter(({ situation }) => ['fresh', 'stuck', 'conflict', 'busy'].includes(situation.kind));
  expect(own.filter(({ decision }) => WRITES.includes(decision))).toEqual([]);
});

test('what may be under way waits for its answer; what the cloud is known not to have is a conflict at once', () => {
  const newer = cells.filter(({ relation, operation }) => relation === 'newer' && operation !== 'hint');
  const of = (kind: string) =>
    new Set(newer.filter(({ situation }) => situation.kind === kind).map(({ decision }) => decision));
  expect(of('fresh')).toEqual(new Set(['wait']));
  expect(of('stuck')).toEqual(new Set(['conflict']));
  expect(of('conflict')).toEqual(new Set(['refresh']));
});

test('whatever does not tell its version, or has no row, is fetched unless it is known', () => {
  const asking = cells.filter(
    ({ operation, relation }) => relation === 'none' || (operation === 'hint' && relation === 'newer'),
  );
  expect(new Set(asking.map(({ decision }) => decision))).toEqual(new Set(['fetch']));
});

test('a deletion of what is not here leaves its tombstone without touching the table', () => {
  for (const kind of ['unknown', 'tombstone', 'lost'] as const)
    expect(decide({ kind }, { operation: 'delete', relation: 'newer' })).toBe('adopt');
});

const LOCAL: Local = {
  present: true,
  locked: true,
  state: { cloud_version: '4', deleted: false },
  pending: undefined,
  inFlight: false,
  conflict: undefined,
  equal: false,
  copyOnly: false,
};
const gone = { present: false, locked: false };

test.each<[string, Partial<Local>, Situation]>([
  ['row and state', {}, { kind: 'agreed' }],
  ['a row without a state', { state: undefined }, { kind: 'unmanaged', equal: false }],
  ['the same row as the cloud, without a state', { state: undefined, equal: true }, { kind: 'unmanaged', equal: true }],
  ['a row after its tombstone', { state: { cloud_version: '4', deleted: true } }, { kind: 'unmanaged', equal: false }],
  ['a row without a state in a table that is only pulled', { state: undefined, copyOnly: true }, { kind: 'agreed' }],
  ['neither', { ...gone, state: undefined }, { kind: 'unknown' }],
  ['a state without its row', gone, { kind: 'lost' }],
  ['a tombstone', { ...gone, state: { cloud_version: '4', deleted: true } }, { kind: 'tombstone' }],
  ['a row that somebody else has locked', { locked: false }, { kind: 'busy' }],
  ['a change under way', { pending: 'update', inFlight: true }, { kind: 'fresh', pending: 'update' }],
  [
    'a change under way, and its row locked',
    { pending: 'update', inFlight: true, locked: false },
    { kind: 'fresh', pending: 'update' },
  ],
  ['a refused change', { pending: 'update' }, { kind: 'stuck', pending: 'update' }],
  [
    'a deletion that was not sent',
    { ...gone, pending: 'delete', inFlight: true },
    { kind: 'fresh', pending: 'delete' },
  ],
  ['an open conflict, whatever else', { pending: 'update', inFlight: true, conflict: '5' }, { kind: 'conflict' }],
])('%s is told apart', (_what, given, situation) => {
  expect(situationOf({ ...LOCAL, ...given })).toEqual(situation);
});

test.each<[version: string | null, asked: boolean, known: Partial<Local>, relation: Relation]>([
  ['5', false, {}, 'newer'],
  ['4', false, {}, 'stale'],
  ['4', true, {}, 'same'],
  ['3', true, {}, 'stale'],
  ['10', false, { state: { cloud_version: '9', deleted: false } }, 'newer'],
  ['9', false, { state: { cloud_version: '10', deleted: false } }, 'stale'],
  ['1', false, { state: undefined }, 'newer'],
  ['1', false, { state: { cloud_version: null, deleted: false } }, 'newer'],
  [null, true, {}, 'none'],
  ['5', false, { conflict: '5' }, 'stale'],
  ['6', false, { conflict: '5' }, 'newer'],
  ['5', false, { conflict: '0' }, 'newer'],
  ['9007199254740993', false, { state: { cloud_version: '9007199254740992', deleted: false } }, 'newer'],
])('version %s, asked for: %s, against %j is %s', (version, asked, known, relation) => {
  expect(relationOf(version, asked, { ...LOCAL, ...known })).toBe(relation);
});

test('versions compare as numbers, however long', () => {
  expect(['10', '9', '9007199254740993', '9007199254740992', '0'].sort(compareVersions)).toEqual([
    '0',
    '9',
    '10',
    '9007199254740992',
    '9007199254740993',
  ]);
});
