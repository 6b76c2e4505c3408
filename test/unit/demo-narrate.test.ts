/** The demo's words. */
import { describeNewPrice, describeQueue, rupiah } from '../../src/demo/narrate.js';

test.each([
  ['0.00', 'Rp 0'],
  ['500.00', 'Rp 500'],
  ['24000.00', 'Rp 24.000'],
  ['1234567.50', 'Rp 1.234.567,50'],
  ['12345678901234567890.00', 'Rp 12.345.678.901.234.567.890'],
])('%s is written %s', (amount, words) => {
  expect(rupiah(amount)).toBe(words);
});

test('trouble is only mentioned where there is some', () => {
  expect(describeQueue({ waiting: 3, troubled: 0 }, 12)).toBe('-- in the cloud 12, waiting 3');
  expect(describeQueue({ waiting: 3, troubled: 1 }, 12)).toBe('-- in the cloud 12, waiting 3, 1 in trouble');
});

test("head office's new price and the sale at it stand in one line", () => {
  expect(describeNewPrice({ number: 'N-1', name: 'Klepon', price: '13000.00', afterMs: 240 })).toBe(
    "sold       N-1       Rp 13.000  Klepon: head office's new price, here after 0.2 s",
  );
});
