/** What was altered between two looks, by the marks that each left. */
import { alteredSince, marksOf } from '../../src/drift/marks.js';
import type { Shape, ShapeColumn } from '../../src/drift/shape.js';
import { column, LEAF, RECORDED, root, TRIGGERS } from '../support/drift-shapes.js';

const ID = column(1, 'id', 'integer', { mark: '700' });
const NAME = column(2, 'name', 'character varying(9)', { mark: '701' });
const marks = (file: string, columns: ShapeColumn[] = [ID, NAME], change: Partial<Shape> = {}): string =>
  marksOf({ ...RECORDED, columns, members: [root({ file })], ...change });
const BEFORE = marks('16400');

test.each<[string, string, string | undefined]>([
  ['nothing', BEFORE, undefined],
  ['a file alone, by VACUUM FULL', marks('16500'), undefined],
  ['a column alone, by another default', marks('16400', [ID, { ...NAME, mark: '800' }]), undefined],
  [
    'a column that came with values',
    marks('16500', [ID, NAME, column(3, 'tax', 'integer', { mark: '800' })]),
    undefined,
  ],
  ['values', marks('16500', [ID, { ...NAME, mark: '800' }]), 'rows of'],
  ['values of a wider column', marks('16500', [ID, { ...NAME, type: 'text', mark: '800' }]), 'rows of'],
  ['another type, which is told as such', marks('16500', [ID, { ...NAME, type: 'date', mark: '800' }]), undefined],
  ['a column that became virtual', marks('16400', [ID, { ...NAME, virtual: true, mark: '800' }]), undefined],
  [
    'a new partition',
    marks('16400', undefined, { members: [root({ file: '16400' }), { ...LEAF, file: '9' }] }),
    'triggers of',
  ],
  [
    'a trigger',
    marks('16400', undefined, {
      members: [root({ file: '16400', triggers: TRIGGERS.map((one) => ({ ...one, mark: '800' })) })],
    }),
    'triggers of',
  ],
])('%s', (_, now, altered) => {
  expect(alteredSince(BEFORE, now)).toBe(altered);
});

test('another expression of a virtual column makes other rows of the same file', () => {
  const before = marks('16400', [ID, { ...NAME, virtual: true }]);
  expect(alteredSince(before, marks('16400', [ID, { ...NAME, virtual: true, mark: '800' }]))).toBe('rows of');
  expect(
    alteredSince(
      before,
      marks('16400', [
        { ...ID, mark: '800' },
        { ...NAME, virtual: true },
      ]),
    ),
  ).toBeUndefined();
});

test('what was not looked at before, or left other marks then, was not altered', () => {
  expect(alteredSince(null, BEFORE)).toBeUndefined();
  const triggersAlone = BEFORE.split('\n').filter((line) => !/^(file|column) /.test(line));
  expect(alteredSince(triggersAlone.join('\n'), marks('16500', [ID, { ...NAME, mark: '800' }]))).toBeUndefined();
});
