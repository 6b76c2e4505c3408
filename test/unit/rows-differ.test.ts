/** Which changes of a table leave rows in the cloud as they were, though the shop has them otherwise now. */
import { rowsDiffer } from '../../src/drift/columns.js';
import type { Shape, ShapeColumn } from '../../src/drift/shape.js';
import { column, ID, RECORDED } from '../support/drift-shapes.js';

const STATUS = column(2, 'status');
const TOTAL = column(3, 'total', 'numeric(12,2)');
const MOOD = column(5, 'mood', 'mood', { made: '900 -1', labels: { 7: 'sad' } });
const now = (...columns: ShapeColumn[]): Shape => ({ ...RECORDED, columns });

test.each<[string, Shape, boolean]>([
  ['nothing', now(ID, STATUS, TOTAL), false],
  ['another type', now(ID, STATUS, column(3, 'total', 'numeric(14,3)')), true],
  [
    'a wider type of the same texts',
    now(column(1, 'id', 'bigint'), column(2, 'status', 'character varying(9)'), TOTAL),
    false,
  ],
  [
    'a type that is called otherwise, and a value that came',
    now(ID, STATUS, TOTAL, { ...MOOD, type: 'other.mood', labels: { 7: 'sad', 8: 'ok' } }),
    false,
  ],
  ['a value that is called otherwise', now(ID, STATUS, TOTAL, { ...MOOD, labels: { 7: 'unhappy' } }), true],
  ['another name', now(ID, column(2, 'state'), TOTAL), true],
  ['a column less', now(ID, STATUS), false],
  ['a column that may be empty', now(ID, STATUS, TOTAL, column(4, 'note')), false],
  ['a column with a default', now(ID, STATUS, TOTAL, column(4, 'tax', 'integer', { given: true })), true],
  ['one that must have a value', now(ID, STATUS, TOTAL, column(4, 'tax', 'integer', { nullable: false })), true],
  [
    'one whose default was taken away again',
    now(ID, STATUS, TOTAL, column(4, 'tax', 'integer', { filled: true })),
    true,
  ],
])('%s: %#', (_, shape, differ) => {
  expect(rowsDiffer({ ...RECORDED, columns: [...RECORDED.columns, MOOD] }, shape, [], [])).toBe(differ);
});

test('a column that stays at home counts only where it did not before, or does not any more', () => {
  const renamed = now(ID, column(2, 'state'), TOTAL);
  expect(rowsDiffer(RECORDED, renamed, ['status'], ['state'])).toBe(false);
  expect(rowsDiffer(RECORDED, renamed, ['status'], [])).toBe(true);
  expect(rowsDiffer(RECORDED, RECORDED, [], ['status'])).toBe(true);
  expect(rowsDiffer(RECORDED, RECORDED, ['status'], [])).toBe(true);
  expect(rowsDiffer(RECORDED, now(ID, STATUS, TOTAL, column(4, 'pin', 'text', { given: true })), [], ['pin'])).toBe(
    false,
  );
});
