/** What an incoming text means: as a page, as one entity, as a webhook; case by case. */
import { type IncomingChange, readChange } from '../../src/inbox/change.js';
import { parseEntity, parsePage, parseWebhook } from '../../src/inbox/envelope.js';
import { MAX_DEPTH, scan } from '../../src/inbox/scan.js';

const GOOD = {
  entity_type: '"product"',
  entity_id: '"p1"',
  operation: '"update"',
  cloud_version: '7',
  updated_at: '"2026-11-22T08:00:00.123456Z"',
  data: '{"id":"p1","price":12345678901234567890.10}',
};
/** A change as text; `undefined` leaves a field out. */
const change = (more: Record<string, string | undefined> = {}) =>
  `{${Object.entries({ ...GOOD, ...more })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `"${key}":${value}`)
    .join(',')}}`;
const page = (changes: string[], more = '') =>
  `{"changes":[${changes.join(',')}],"next_cursor":"c1","has_more":false${more}}`;
const read = (text: string): IncomingChange => {
  const scanned = scan(text, 1);
  if ('fault' in scanned) throw new Error(scanned.fault);
  return readChange(text, scanned.root, { operation: 'update', hints: true });
};
const deep = `{"a":${'['.repeat(MAX_DEPTH)}1${']'.repeat(MAX_DEPTH)}}`;

describe('a change', () => {
  test('keeps its row to the letter and its version to the last digit', () => {
    expect(read(change({ cloud_id: '"c-9"', cloud_version: '9007199254740991' }))).toEqual({
      entity_type: 'product',
      entity_id: 'p1',
      cloud_id: 'c-9',
      operation: 'update',
      cloud_version: '9007199254740991',
      updated_at: '2026-11-22T08:00:00.123456Z',
      data: '{"id":"p1","price":12345678901234567890.10}',
    });
  });

  test.each<[string, Record<string, string | undefined>, Partial<IncomingChange>]>([
    ['create', { operation: '"create"' }, { operation: 'create' }],
    ['delete', { operation: '"delete"', data: 'null' }, { operation: 'delete', data: null }],
    ['delete with a row, which nobody needs', { operation: '"delete"' }, { operation: 'delete', data: null }],
    ['deleted', { operation: undefined, deleted: 'true', data: undefined }, { operation: 'delete', data: null }],
    ['no operation', { operation: undefined }, { operation: 'update' }],
    ['no row: a hint', { data: undefined }, { operation: 'hint', data: null }],
    [
      'a hint without a version',
      { data: 'null', cloud_version: undefined },
      { operation: 'hint', cloud_version: null },
    ],
    ['no instant', { updated_at: undefined }, { updated_at: null }],
    ['a leap second, an offset, small letters', { updated_at: '"2024-02-29t23:59:60.5+07:00"' }, {}],
    ['a cloud_id that is no text', { cloud_id: '7' }, { cloud_id: null }],
    ['a name that is escaped', { entity_id: '"\\u0070\\n\\ud83d\\ude00"' }, { entity_id: 'p\n😀' }],
    ['unknown fields', { origin_outlet_id: '"x"', extra: '{"a":[1]}' }, {}],
  ])('with %s is read', (_title, given, expected) => {
    const found = read(change(given));
    expect(found).toMatchObject(expected);
    expect(found.fault).toBeUndefined();
  });

  test.each<[string, Record<string, string | undefined>, RegExp, Partial<IncomingChange>]>([
    ['whose row is a list', { data: '[1]' }, /data is array/, {}],
    ['whose row is a text', { data: '"x"' }, /data is string/, {}],
    ['whose row has a key twice', { data: '{"a":1,"a":2}' }, /^data: a key stands twice/, { data: '{"a":1,"a":2}' }],
    ['whose row holds U+0000', { data: '{"a":"\\u0000"}' }, /^data: a text holds U\+0000/, {}],
    ['whose row holds half a character', { data: '{"a":"\\ud800"}' }, /^data: .*half/, {}],
    ['whose row is nested too deep', { data: deep }, /^data: nested too deep/, { data: null }],
    ['without a version', { cloud_version: undefined }, /cloud_version is missing/, { cloud_version: null }],
    ['with null for a version', { cloud_version: 'null' }, /cloud_version is missing/, {}],
    ['with a version in quotes', { cloud_version: '"7"' }, /cloud_version is "7"/, { cloud_version: null }],
    ['with a broken version', { cloud_version: '7.5' }, /cloud_version/, { cloud_version: null }],
    ['with a version in disguise', { cloud_version: '7e0' }, /cloud_version/, { cloud_version: null }],
    ['with a negative version', { cloud_version: '-1' }, /cloud_version/, { cloud_version: null }],
    ['with a version of 2^53', { cloud_version: '9007199254740992' }, /cloud_version/, { cloud_version: null }],
    ['with an endless version', { cloud_version: '9'.repeat(400) }, /cloud_version/, { cloud_version: null }],
    ['with an unknown operation', { operation: '"truncate"' }, /unknown operation truncate/, { operation: 'update' }],
    ['with an operation that is no text', { operation: '{}' }, /unknown operation \{\}/, {}],
    ['without a type', { entity_type: undefined }, /entity_type is no text/, { entity_type: '' }],
    ['with an empty type', { entity_type: '""' }, /entity_type is empty/, {}],
    ['with a long type', { entity_type: `"${'t'.repeat(256)}"` }, /entity_type is longer/, {}],
    ['with an empty id', { entity_id: '""' }, /entity_id is empty/, { entity_id: '' }],
    ['with a number for an id', { entity_id: '7' }, /entity_id is no text/, {}],
    ['with an endless id', { entity_id: `"${'é'.repeat(1_001)}"` }, /entity_id is longer/, {}],
    ['with U+0000 in its id', { entity_id: '"a\\u0000"' }, /entity_id: a text holds U\+0000/, { entity_id: 'a\ufffd' }],
    ['with U+0000 in a key', { '\\u0000': '1' }, /U\+0000/, {}],
    ['with a day that never was', { updated_at: '"2026-02-29T08:00:00Z"' }, /updated_at/, { updated_at: null }],
    ['with the year 0', { updated_at: '"0000-01-01T08:00:00Z"' }, /updated_at/, { updated_at: null }],
    ['with an hour too many', { updated_at: '"2026-01-01T24:00:00Z"' }, /updated_at/, { updated_at: null }],
    ['with an instant without a zone', { updated_at: '"2026-01-01T08:00:00"' }, /updated_at/, { updated_at: null }],
    ['with a far zone', { updated_at: '"2026-01-01T08:00:00+16:00"' }, /updated_at/, { updated_at: null }],
    ['with a number for an instant', { updated_at: '1' }, /updated_at/, { updated_at: null }],
  ])('%s is at fault, alone', (_title, given, fault, expected) => {
    const text = page([change({ entity_id: '"before"' }), change(given), change({ entity_id: '"after"' })]);
    const parsed = parsePage(text);
    if (parsed.kind !== 'page') throw new Error(parsed.reason);
    expect(parsed.changes[1]).toMatchObject({ fault: expect.stringMatching(fault), ...expected });
    expect(JSON.stringify(parsed.changes[1])).not.toContain('\\u0000"');
    expect([parsed.changes[0]?.fault, parsed.changes[2]?.fault]).toEqual([undefined, undefined]);
  });

  test('that is no object, or has a key twice, is at fault, alone', () => {
    const parsed = parsePage(page([change(), '7', 'null', '[]', `{"entity_type":"a",${change().slice(1)}`]));
    if (parsed.kind !== 'page') throw new Error(parsed.reason);
    expect(parsed.changes.map(({ fault }) => fault?.split(';')[0])).toEqual([
      undefined,
      'a change is an object, not number',
      'a change is an object, not null',
      'a change is an object, not array',
      'a key stands twice',
    ]);
  });
});

describe('a page', () => {
  test('asks for what it tells of without a row', () => {
    const parsed = parsePage(page([change({ data: undefined })]));
    expect(parsed).toMatchObject({ changes: [{ operation: 'hint', cloud_version: '7' }] });
  });

  test('is its changes in order, and where to go on', () => {
    const more = ',"cloud_epoch":"e1","server_time":"2026-11-22T08:00:00Z","new_field":[{"a":1}]';
    const parsed = parsePage(page([change(), change({ entity_id: '"p2"' })], more));
    expect(parsed).toMatchObject({ kind: 'page', next_cursor: 'c1', has_more: false, cloud_epoch: 'e1' });
    expect(parsed.kind === 'page' && parsed.changes.map((one) => one.entity_id)).toEqual(['p1', 'p2']);
  });

  test.each([
    ['true', true],
    ['false', false],
    ['null', false],
  ])('that says %s of more to come is taken at its word', (says, has_more) => {
    expect(parsePage(`{"changes":[],"next_cursor":"c","has_more":${says}}`)).toMatchObject({ kind: 'page', has_more });
  });

  test.each<[string, string]>([
    ['of a captive portal', '<html></html>'],
    ['that was cut off', page([change()]).slice(0, -9)],
    ['with something behind it', `${page([])}{}`],
    ['that is a list', '[]'],
    ['without changes', '{"next_cursor":"c","has_more":false}'],
    ['whose changes are an object', '{"changes":{},"next_cursor":"c","has_more":false}'],
    ['without a cursor', '{"changes":[],"has_more":false}'],
    ['with null for a cursor', '{"changes":[],"next_cursor":null,"has_more":false}'],
    ['with an endless cursor', `{"changes":[],"next_cursor":"${'c'.repeat(4_097)}"}`],
    ['with U+0000 in its cursor', '{"changes":[],"next_cursor":"\\u0000","has_more":false}'],
    ['with two cursors', '{"changes":[],"next_cursor":"a","next_cursor":"b","has_more":false}'],
    ['that has "more"', '{"changes":[],"next_cursor":"c","has_more":"yes"}'],
    ['with a bare control character', page([change({ entity_id: '"a\u0001"' })])],
  ])('%s is malformed', (_title, text) => {
    expect(parsePage(text)).toMatchObject({ kind: 'malformed', reason: expect.stringMatching(/\w/) });
  });
});

describe('an entity', () => {
  test('is a change, or a tombstone; without a row it is at fault', () => {
    expect(parseEntity(change({ deleted: 'false' }))).toMatchObject({
      kind: 'entity',
      change: { operation: 'update' },
    });
    const gone = parseEntity(change({ operation: undefined, deleted: 'true', data: 'null' }));
    expect(gone).toMatchObject({ kind: 'entity', change: { operation: 'delete', cloud_version: '7', data: null } });
    const empty = parseEntity(change({ data: undefined }));
    expect(empty).toMatchObject({ kind: 'entity', change: { operation: 'update', fault: 'data is missing' } });
    expect([parseEntity('[]').kind, parseEntity('{').kind]).toEqual(['malformed', 'malformed']);
  });
});

describe('a webhook', () => {
  const body = (changes: string, more = '') =>
    `{"event_id":"e1","sent_at":"2026-11-22T08:00:00Z"${more},"changes":${changes}}`;

  test('brings its changes, or is a single bare one', () => {
    const expected = { kind: 'webhook', event_id: 'e1', sent_at: '2026-11-22T08:00:00Z', source: 'webhook' };
    expect(parseWebhook('update', body(`[${change()}]`))).toMatchObject(expected);
    const bare = parseWebhook('update', change({ event_id: '"e1"', sent_at: '"2026-11-22T08:00:00Z"' }));
    expect(bare).toMatchObject({ ...expected, changes: [{ entity_id: 'p1', data: GOOD.data }] });
    const nameless = parseWebhook('update', change());
    expect(nameless).toMatchObject({ kind: 'webhook', event_id: null, sent_at: null });
  });

  test('means by its place what its changes do not say themselves', () => {
    const lone = (kind: 'update' | 'delete' | 'conflict', more: Record<string, string | undefined>) => {
      const parsed = parseWebhook(kind, change(more));
      return parsed.kind === 'webhook' && [parsed.source, parsed.changes[0]?.operation];
    };
    expect(lone('delete', { operation: undefined, data: undefined })).toEqual(['webhook', 'delete']);
    expect(lone('delete', { operation: '"update"' })).toEqual(['webhook', 'update']);
    expect(lone('update', { operation: '"delete"', data: undefined })).toEqual(['webhook', 'delete']);
    expect(lone('update', { operation: undefined, data: undefined })).toEqual(['webhook', 'hint']);
    expect(lone('conflict', { operation: undefined })).toEqual(['conflict', 'update']);
    expect(lone('conflict', { operation: undefined, data: 'null' })).toEqual(['conflict', 'hint']);
  });

  test.each<[string, string]>([
    ['that is not JSON', '{"changes":['],
    ['that is a list', `[${change()}]`],
    ['that holds nothing', '{}'],
    ['whose changes are no list', body('{}')],
    ['with a change that is no object', body(`[${change()},1]`)],
    ['with a key twice', body('[]', ',"event_id":"e2"')],
    ['with a key twice in a change', body(`[{"entity_id":"x",${change().slice(1)}]`)],
    ['with a key twice in a bare change', `{"entity_id":"x",${change().slice(1)}`],
    ['with a key twice in a field nobody knows', body('[]', ',"x":{"a":1,"a":1}')],
    ['with U+0000 outside of data', body(`[${change({ entity_id: '"\\u0000"' })}]`)],
    ['with U+0000 outside of data in a bare change', change({ entity_id: '"\\u0000"' })],
    ['with half a character outside of data', body(`[${change({ extra: '["\\ud800"]' })}]`)],
    ['nested without end', body(deep)],
    ['nested without end, bare', change({ extra: deep })],
    ['whose event_id is a number', body('[]', ',"event_id2":1').replace('"e1"', '1')],
    ['whose event_id is empty', body('[]').replace('"e1"', '""')],
    ['whose event_id is endless', body('[]').replace('"e1"', `"${'e'.repeat(256)}"`)],
    ['whose sent_at is no instant', body('[]').replace('2026-11-22T08', 'yesterday')],
  ])('%s is malformed', (_title, text) => {
    expect(parseWebhook('update', text)).toMatchObject({ kind: 'malformed', reason: expect.stringMatching(/\w/) });
  });

  test.each([
    ['a key twice', '{"a":1,"a":2}'],
    ['U+0000', '{"a":"\\u0000"}'],
    ['endless nesting', deep],
  ])('with %s inside of data is taken in, and that change parked', (_title, data) => {
    for (const text of [body(`[${change({ data })}]`), change({ data })]) {
      const parsed = parseWebhook('update', text);
      expect(parsed).toMatchObject({ kind: 'webhook', changes: [{ fault: expect.stringMatching(/^data: /) }] });
    }
  });
});
