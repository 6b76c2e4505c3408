/** A conflict on the screen: whoever has to choose sees in what the values differ, however alike they begin. */
import { conflictLines } from '../../src/commands/conflicts.js';
import type { ConflictItem } from '../../src/queue/conflicts.js';

const ITEM: ConflictItem = {
  id: '3',
  entity_type: 'product',
  entity_id: '1',
  status: 'open',
  strategy: 'manual',
  source: 'push',
  detected_at: '2026-11-22T02:00:00.000000Z',
  resolution: null,
  resolved_at: null,
  resolved_by: null,
  reason: null,
  shop: 'row',
  cloud: 'row',
  differences: [],
  json: '{}',
};
const drawn = (before: string | undefined, shop: string, cloud: string) =>
  conflictLines(
    { ...ITEM, differences: [{ name: 'name', before, shop, cloud }] },
    '2026-11-22T03:00:00Z',
    'UTC',
    (_style, text) => text,
  )[2];
const LONG = 'Paket Hemat Kopi Susu Gula Aren Ukuran';

test('values that fit are shown as they are', () => {
  expect(drawn('"Kopi"', '"Kopi Susu"', '"Kopi Hitam"')).toBe('    name    Kopi    Kopi Susu  Kopi Hitam');
});

test('of long values that begin alike the ends are shown', () => {
  const line = drawn(`"${LONG} Sedang untuk dua"`, `"${LONG} Besar untuk dua orang"`, `"${LONG} Kecil untuk dua"`);
  expect(line).toMatch(/… Ukuran Sedang.+ {2}… Ukuran Besar.+ {2}… Ukuran Kecil/);
  expect(line?.length).toBeLessThanOrEqual(80);
});

test('long values that differ from the first letter are cut at their end, and what one side has not stays empty', () => {
  expect(drawn(undefined, `"A${LONG}"`, `"B${LONG}"`)).toMatch(/name {12}APaket Hemat.+ BPaket Hemat/);
  expect(drawn(undefined, `"${LONG} A"`, `"${LONG} B"`)).toMatch(/name {12}… Ukuran A +… Ukuran B$/);
});
