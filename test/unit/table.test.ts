/** Tables on a screen: what a person came to read is never what is cut away. */
import { type Column, table } from '../../src/commands/table.js';

type Row = { name: string; since: string; why: string };

const COLUMNS: Column<Row>[] = [
  { title: 'ENTITY', cell: (row) => row.name, most: 28 },
  { title: 'SINCE', cell: (row) => row.since },
  { title: 'WHY', cell: (row) => row.why, below: true },
];
const ORDER = 'order/6f1c24a0-0000-4000-8000-000000000001';
const drawn = (rows: Row[], width: number) => table(rows, COLUMNS, width, (_style, text) => text);

test('what fits stands in its line', () => {
  expect(drawn([{ name: ORDER, since: '08:00', why: 'busy' }], 80)).toEqual([
    `ENTITY${' '.repeat(38)}SINCE  WHY`,
    `${ORDER}  08:00  busy`,
  ]);
});

test('the reason stands beneath its row where it would be cut, and the name has the room', () => {
  const why = 'bad_total: the total is not the sum of its lines, and the day of this order is closed';
  const rows = [
    { name: ORDER, since: 'Fri 20 Nov 23:42', why },
    { name: 'order/2', since: '08:00', why: '' },
  ];
  expect(drawn(rows, 70)).toEqual([
    `ENTITY${' '.repeat(38)}SINCE`,
    `${ORDER}  Fri 20 Nov 23:42`,
    '    bad_total: the total is not the sum of its lines, and the day of',
    '    this order is closed',
    `order/2${' '.repeat(37)}08:00`,
  ]);
});

test('no line is wider than the screen, whatever there is to say', () => {
  const rows = [{ name: ORDER.repeat(3), since: 'Fri 20 Nov 23:42', why: `${'x'.repeat(90)} ${'word '.repeat(200)}` }];
  const lines = drawn(rows, 60);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
  expect(lines).toHaveLength(9);
  expect(lines.at(-1)?.trim()).toBe('…');
});
