/** The body of a push: its exact text, its chains and versions, and the bound that batches are reckoned by. */
import fc from 'fast-check';
import { chainOf, composeBody, sizeOf } from '../../src/push/compose.js';
import { agreed, makeChange, uuid } from '../support/changes.js';

const envelope = {
  batch_id: uuid(900),
  outlet_id: 'JKT "014"',
  install_id: uuid(901),
  epoch: '3',
  sent_at: '2026-11-22T08:00:01.000Z',
};

test('the body is this text, with every row as Postgres wrote it', () => {
  const exact = '{"id":9007199254740993,"total":125000.000000000000000000000000000001,"note":"\\u00e9","x":"NaN"}';
  const body = composeBody(envelope, [
    makeChange({ id: '1042', tx: '7812', operation: 'create', payload: exact }),
    makeChange({
      id: '1043',
      tx: '7812',
      payload: exact,
      state: agreed(4, 6, 'c-"91"'),
      changedFields: '["status", "total"]',
      supersedes: [{ id: '1000', change_id: uuid(1000) }],
    }),
    makeChange({
      id: '1044',
      tx: '7813',
      entity_type: 'line "x"',
      entity_id: '["7","2"]',
      operation: 'delete',
      payload: null,
    }),
  ]);
  expect(String(body)).toBe(
    `{"batch_id":"${uuid(900)}","outlet_id":"JKT \\"014\\"","install_id":"${uuid(901)}","epoch":3,"sent_at":"2026-11-22T08:00:01.000Z","changes":[` +
      `{"change_id":"${uuid(1042)}","seq":"1042","tx":"7812","entity_type":"order","entity_id":"e1","operation":"create","version":1,"base_cloud_version":null,"changed_at":"2026-11-22T08:00:00.123456Z","data":${exact}},\n` +
      `{"change_id":"${uuid(1043)}","seq":"1043","tx":"7812","after":"${uuid(1042)}","supersedes":["${uuid(1000)}"],"entity_type":"order","entity_id":"e1","cloud_id":"c-\\"91\\"","operation":"update","version":9,"base_cloud_version":4,"changed_at":"2026-11-22T08:00:00.123456Z","changed_fields":["status", "total"],"data":${exact}},\n` +
      `{"change_id":"${uuid(1044)}","seq":"1044","tx":"7813","entity_type":"line \\"x\\"","entity_id":"[\\"7\\",\\"2\\"]","operation":"delete","version":1,"base_cloud_version":null,"changed_at":"2026-11-22T08:00:00.123456Z","data":null}]}`,
  );
});

test('each later change of an entity names the one just before it, other entities of the same id apart', () => {
  const body = composeBody(envelope, [
    makeChange({ id: '1' }),
    makeChange({ id: '2', entity_type: 'line' }),
    makeChange({ id: '3' }),
    makeChange({ id: '4' }),
  ]);
  const after = (JSON.parse(String(body)) as { changes: { after?: string }[] }).changes.map((change) => change.after);
  expect(after).toEqual([undefined, undefined, uuid(1), uuid(3)]);
});

test('versions count on from the agreed one, superseded changes included', () => {
  const supersedes = [1, 2].map((n) => ({ id: String(n), change_id: uuid(n) }));
  const changes = [
    makeChange({ id: '3', state: agreed(1, 5), supersedes }),
    makeChange({ id: '4', state: agreed(1, 5) }),
    makeChange({ id: '5', entity_id: 'other' }),
  ];
  expect(chainOf(changes)).toEqual({ versions: [8, 9, 1], before: [-1, 0, -1] });
});

const nasty = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('', '"', '\\', '\u0000\u001f', '\u2028', '\ud800', '😀', 'é"\\', 'ключ', '\n\t'),
);
const changes = fc.record({
  id: fc.bigInt({ min: 1n, max: 2n ** 53n - 1n }).map(String),
  tx: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map(String),
  entity_type: nasty,
  entity_id: nasty,
  operation: fc.constantFrom('create' as const, 'update' as const, 'delete' as const),
  payload: fc.option(fc.json()),
  changedFields: fc.option(fc.array(nasty).map((names) => JSON.stringify(names))),
  state: fc.record({
    version: fc.nat(),
    cloudVersion: fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
    cloudId: fc.option(nasty),
  }),
  supersedes: fc.array(fc.constant({ id: '1', change_id: uuid(1) }), { maxLength: 5 }),
});

test('whatever a change holds, its reckoned size is never below its share of the body, and it arrives as it was', () => {
  fc.assert(
    fc.property(fc.array(changes, { minLength: 1, maxLength: 6 }), (given) => {
      const sent = given.map((one) => makeChange({ ...one, changedAt: '2026-11-22T08:00:00.123456Z' }));
      const body = composeBody(envelope, sent);
      const bare = Buffer.byteLength(composeBody(envelope, []));
      expect(Buffer.byteLength(body) - bare).toBeLessThanOrEqual(sent.reduce((sum, one) => sum + sizeOf(one), 0));
      const { changes } = JSON.parse(String(body)) as {
        changes: { entity_id: string; entity_type: string; cloud_id?: string }[];
      };
      expect(changes.map((one) => [one.entity_type, one.entity_id, one.cloud_id ?? null])).toEqual(
        given.map((one) => [one.entity_type, one.entity_id, one.state.cloudId]),
      );
    }),
    { numRuns: 400 },
  );
});
