/** Which database is taken for the outlet's own: what the state directory remembers against what the database says. */
import { parseMemory } from '../../src/ops/identity/file.js';
import { FAILOVER_LACKS_MS, type Found, judgeIdentity, type Memory } from '../../src/ops/identity/verdict.js';

const NOTED_MS = 1_700_000_000_000;
const place = {
  system: '71',
  database: '16384',
  queue: '16500',
  timeline: 1,
  server_started_at: '2026-11-22 08:00:00+00',
};
const { server_started_at: _, ...where } = place;
const memory = { ...where, outlet_id: 'a', install_id: 'i1', epoch: '9', settled_id: '99', noted_ms: NOTED_MS };
const found: Found = {
  outlet_id: 'a',
  install_id: 'i1',
  epoch: '9',
  settled_id: '99',
  adopted_from: null,
  place,
  home: { ...place, outlet_id: 'a' },
  alive_ms: NOTED_MS,
  original_beside: false,
};
const at = (other: Partial<typeof place>) => ({ place: { ...place, ...other } });

type Row = [
  title: string,
  verdict: string,
  memory: Memory | Partial<typeof memory>,
  found: Partial<Found>,
  vouched?: true,
];

const TABLE: Row[] = [
  ['nothing has changed', 'fits remembered', {}, {}],
  ['more was settled since it was noted', 'fits remembered', {}, { settled_id: '100' }],
  ['PostgreSQL was restarted', 'fits remembered', {}, at({ server_started_at: 'later' })],
  ['less is settled than was', 'restored', {}, { settled_id: '98' }],
  ['less by a digit', 'restored', { settled_id: '100' }, { settled_id: '99' }],
  ['from before an adoption', 'restored', { epoch: '10' }, { epoch: '9', settled_id: '500' }],
  ['adopted since', 'fits adopted', { epoch: '8', settled_id: '500' }, {}],
  ['adopted elsewhere, then copied', 'moved', { epoch: '8', settled_id: '50' }, at({ system: '72' })],
  ['pg_upgrade, or a dump that lacks nothing', 'moved', {}, at({ system: '72' })],
  ['an older dump on another server', 'restored', {}, { ...at({ system: '72' }), settled_id: '7' }],
  ['a copy beside the original', 'cloned', {}, { ...at({ database: '16999' }), original_beside: true }],
  ['a copy whose original is gone', 'moved', {}, at({ database: '16999' })],
  ['an older copy in the place of the original', 'restored', {}, { ...at({ database: '16999' }), settled_id: '7' }],
  ['a dump restored into the same database', 'restored', {}, { ...at({ queue: '17000' }), settled_id: '7' }],
  ['a promoted standby that lacks nothing', 'fits failover', {}, at({ timeline: 2 })],
  [
    'a promoted standby that lacks the last moments',
    'fits failover',
    {},
    { ...at({ timeline: 2 }), settled_id: '90', alive_ms: NOTED_MS - FAILOVER_LACKS_MS },
  ],
  [
    'a recovery to an hour ago',
    'restored',
    {},
    { ...at({ timeline: 2 }), settled_id: '90', alive_ms: NOTED_MS - 3_600_000 },
  ],
  ['a recovery to before any daemon', 'restored', {}, { ...at({ timeline: 2 }), settled_id: '0', alive_ms: null }],
  ['an old primary that came back', 'restored', { timeline: 2 }, { settled_id: '500' }],
  ['another outlet in the memory', 'cloned', { outlet_id: 'b' }, {}],
  ['the outlet was changed in the database', 'cloned', {}, { outlet_id: 'b' }],
  ['the outlet was changed in the database, without a memory', 'cloned', 'lost', { outlet_id: 'b' }],
  [
    'a clone that was adopted',
    'fits adopted',
    { outlet_id: 'b' },
    { install_id: 'i2', adopted_from: 'i1', epoch: '10' },
  ],
  [
    'a copy of a clone that was adopted',
    'unknown',
    {},
    { install_id: 'i2', adopted_from: 'i1', ...at({ database: '16999' }) },
  ],
  ['installed anew', 'unknown', {}, { install_id: 'i2', home: null }],
  ['the memory is of another installation', 'unknown', {}, { install_id: 'i2' }],
  ['a fresh database where another outlet was', 'fits first', { outlet_id: 'b' }, { install_id: 'i2', home: null }],
  ['the very first start', 'fits first', 'lost', { home: null }],
  ['the memory is lost, the server never stopped', 'fits vouched', 'lost', {}],
  ['the memory is damaged, the server never stopped', 'fits vouched', 'damaged', {}],
  ['the memory is lost, the server was restarted', 'unknown', 'lost', at({ server_started_at: 'later' })],
  ['the memory is lost, a leader is at work', 'fits vouched', 'lost', at({ server_started_at: 'later' }), true],
  ['the memory is lost, on another server', 'unknown', 'lost', at({ system: '72' }), true],
  [
    'the memory is lost, a copy beside the original',
    'cloned',
    'lost',
    { ...at({ database: '16999' }), original_beside: true },
  ],
  ['the memory is lost, a promoted standby', 'unknown', 'lost', at({ timeline: 2, server_started_at: 'later' })],
];

// As one list: a parameter more than a row has would be taken for a callback.
test.each(TABLE)('%s: %s', (...[, expected, remembered, seen, vouched]: Row) => {
  const known = typeof remembered === 'string' ? remembered : { ...memory, ...remembered };
  const verdict = judgeIdentity(known, { ...found, ...seen }, vouched);
  expect(verdict.kind === 'fits' ? `fits ${verdict.why}` : verdict.kind).toBe(expected);
  if (verdict.kind !== 'fits') expect(verdict.reason).toMatch(/^\S.*[^.]$/);
});

test.each([
  ['nothing', ''],
  ['half of it', JSON.stringify(memory).slice(0, 60)],
  ['a list', '[]'],
  ['null', 'null'],
  ['a number for an id', JSON.stringify({ ...memory, epoch: 9 })],
  ['an id with a sign', JSON.stringify({ ...memory, settled_id: '-1' })],
  ['no outlet', JSON.stringify({ ...memory, outlet_id: undefined })],
  ['zeroes, as a lost block leaves them', '\0'.repeat(200)],
])('a memory that holds %s is damaged', (_what, text) => {
  expect(parseMemory(text)).toBe('damaged');
});

test('a whole memory is read as it was written', () => {
  expect(parseMemory(JSON.stringify(memory))).toEqual(memory);
});

test('a state directory that another outlet uses too is told as that', () => {
  const judged = judgeIdentity(
    { ...memory, outlet_id: 'b', install_id: 'i2' },
    { ...found, ...at({ server_started_at: 'later' }) },
  );
  expect(judged).toMatchObject({
    kind: 'unknown',
    reason: expect.stringMatching(/^state_dir remembers outlet b, and two outlets of one machine need one each/),
  });
});
