/** A page of the queue as long texts, cut into rows again: nothing is mistaken for something else, and what cannot be told apart is said. */
import { type PageTexts, rowsOf } from '../../src/queue/page-text.js';

const page = (more: Partial<PageTexts> = {}): PageTexts => ({
  ids: '7,9',
  change_ids: 'a,b',
  txids: '70,71',
  entity_types: 'order\u0001stock',
  entity_ids: 'x,1\u0001',
  operations: 'create,delete',
  payloads: '{"a":"1,2"}\u0001',
  instants: '2026-11-22 08:00:00.123456+00,2026-11-22 08:00:01+00',
  versions: ',3',
  cloud_versions: ',',
  cloud_ids: '\u0002\u0001',
  rare: null,
  ...more,
});

test('every value finds its row, and what is not there is null', () => {
  expect(rowsOf(page())).toEqual([
    {
      id: '7',
      change_id: 'a',
      txid: '70',
      entity_type: 'order',
      entity_id: 'x,1',
      operation: 'create',
      payload: '{"a":"1,2"}',
      changed_at: '2026-11-22T08:00:00.123456Z',
      version: null,
      cloud_version: null,
      cloud_id: null,
    },
    {
      id: '9',
      change_id: 'b',
      txid: '71',
      entity_type: 'stock',
      entity_id: '',
      operation: 'delete',
      payload: null,
      changed_at: '2026-11-22T08:00:01Z',
      version: '3',
      cloud_version: null,
      cloud_id: '',
    },
  ]);
});

test('what few rows have is added to those', () => {
  const rows = rowsOf(
    page({ rare: '{"9":{"changed_fields":"[\\"a\\"]","replaces":null,"retry_count":2,"hold_count":0}}' }),
  );
  expect(rows?.[0]).not.toHaveProperty('retry_count');
  expect(rows?.[1]).toMatchObject({ id: '9', changed_fields: '["a"]', retry_count: 2 });
});

test('a page whose ids are null is read as no rows', () => {
  expect(rowsOf(page({ ids: null }))).toEqual([]);
});

test.each(['entity_types', 'entity_ids', 'cloud_ids'] as const)(
  'a page where one of the %s holds the mark between two is not cut',
  (column) => {
    expect(rowsOf(page({ [column]: 'a\u0001b\u0001c' }))).toBeUndefined();
  },
);
