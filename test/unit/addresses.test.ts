/** Whose request it is: one spelling for each address, networks, and who stands behind the proxies. */
import { AddressList, canonicalAddress, senderAddress, senderKey } from '../../src/http/addresses.js';

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:C000:0201', '192.0.2.1'],
  ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
  ['2001:DB8:0:0:0:0:0:9', '2001:db8::9'],
  ['::1', '::1'],
  ['::192.0.2.1', '::c000:201'],
  ['fe80::1%eth0', 'fe80::1'],
  ['192.0.2.01', undefined],
  ['192.0.2', undefined],
  ['3221225985', undefined],
  ['0xc0000201', undefined],
  ['192.0.2.256', undefined],
  ['192.0.2.1 ', undefined],
  ['[::1]', undefined],
  ['localhost', undefined],
  ['', undefined],
  [undefined, undefined],
])('%p is %p', (raw, expected) => expect(canonicalAddress(raw)).toBe(expected));

test.each<[entry: string, inside: string[], outside: string[]]>([
  ['192.0.2.1', ['192.0.2.1'], ['192.0.2.2', '::1']],
  ['192.0.2.77/24', ['192.0.2.0', '192.0.2.255'], ['192.0.3.0', '192.0.1.255']],
  ['192.0.2.0/31', ['192.0.2.0', '192.0.2.1'], ['192.0.2.2']],
  ['0.0.0.0/0', ['1.2.3.4', '255.255.255.255'], ['::1', '2001:db8::1']],
  ['::/0', ['::1', '2001:db8::1'], ['1.2.3.4']],
  ['2001:db8::/32', ['2001:db8::', '2001:db8:ffff::1'], ['2001:db9::', '1.2.3.4']],
  ['2001:db8::5', ['2001:db8::5'], ['2001:db8::6']],
  ['::ffff:192.0.2.0/120', ['192.0.2.0', '192.0.2.255'], ['192.0.3.0', '::ffff:1']],
  ['::ffff:192.0.2.1', ['192.0.2.1'], ['192.0.2.2']],
  ['::ffff:0:0/96', ['1.2.3.4'], ['::1']],
])('%s', (entry, inside, outside) => {
  const list = new AddressList([entry]);
  expect(inside.filter((address) => !list.has(address))).toEqual([]);
  expect(outside.filter((address) => list.has(address))).toEqual([]);
});

test('a list with nothing in it holds nobody, and no word is in any', () => {
  expect(new AddressList([]).has('127.0.0.1')).toBe(false);
  expect(new AddressList(['0.0.0.0/0', '::/0']).has('')).toBe(false);
  expect(new AddressList(['0.0.0.0/0', '::/0']).has('unknown')).toBe(false);
});

const TRUSTED = new AddressList(['10.0.0.0/8', '2001:db8:ff::/48']);

test.each<[what: string, peer: string, forwarded: string[], sender: string]>([
  ['a stranger’s word counts nothing', '192.0.2.1', ['203.0.113.9'], '192.0.2.1'],
  ['a proxy without a word is itself', '10.0.0.1', [], '10.0.0.1'],
  ['an empty word is none', '10.0.0.1', ['', ' , '], '10.0.0.1'],
  ['a proxy names the sender', '10.0.0.1', ['203.0.113.9'], '203.0.113.9'],
  ['what the sender himself said stands to the left', '10.0.0.1', ['198.51.100.7, 203.0.113.9'], '203.0.113.9'],
  ['also in a header before', '10.0.0.1', ['198.51.100.7', '203.0.113.9'], '203.0.113.9'],
  ['proxies behind proxies', '10.0.0.1', ['198.51.100.7, 203.0.113.9, 10.9.9.9, 2001:db8:ff::1'], '203.0.113.9'],
  ['nobody but proxies', '10.0.0.1', ['10.0.0.3, 10.0.0.2'], '10.0.0.3'],
  ['v4 in the clothes of v6', '10.0.0.1', ['::ffff:cb00:7109'], '203.0.113.9'],
  ['with a port', '10.0.0.1', ['203.0.113.9:65535'], '203.0.113.9'],
  ['v6 with a port', '10.0.0.1', ['[2001:DB8::9]:443'], '2001:db8::9'],
  ['v6 in brackets', '10.0.0.1', ['[2001:db8::9]'], '2001:db8::9'],
  ['what is no address is nobody', '10.0.0.1', ['203.0.113.9, unknown'], ''],
  ['nor is a name', '10.0.0.1', ['_hidden'], ''],
  ['but it does not matter behind a stranger', '10.0.0.1', ['unknown, 203.0.113.9'], '203.0.113.9'],
])('%s', (_what, peer, forwarded, sender) => expect(senderAddress(peer, forwarded, TRUSTED)).toBe(sender));

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8::9', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['1::', '1:0:0:0::/64'],
])('%s is counted as %s', (address, key) => expect(senderKey(address)).toBe(key));
