/** Whatever may knock at the webhook port, and the exact answer to it. The real thread, a real database, bytes on real sockets. */
import { gzipSync } from 'node:zlib';
import { Cluster } from '../../src/demo/postgres.js';
import {
  ago,
  base64Of,
  forwarded,
  type HostileCase,
  header,
  hexOf,
  holds,
  inChunks,
  inOne,
  KEPT,
  lines,
  MIB,
  method,
  onlyHead,
  otherSpelling,
  ROUTE,
  row,
  says,
  signedAs,
  tampered,
  target,
  twice,
} from '../support/hostile-requests.js';
import { type RawAnswer, sendRaw } from '../support/raw-http.js';
import { openShop, type Shop } from '../support/shop.js';
import { changeOf, eventText, onWire } from '../support/signed-webhook.js';
import { ENCODED_SECRET, OTHER_SECRET, openWebhookStage, type WebhookStage } from '../support/webhook-stage.js';

const LONG = ' '.repeat(2 * MIB);
const UNMEASURED = { without: ['content-length'] };
const BAD_UTF8 = Buffer.from([0xff, 0x7d]);

const CASES: HostileCase[] = [
  ['a signature as hex', 202, signedAs(hexOf)],
  ['a signature as hex in capitals', 202, signedAs((body) => hexOf(body).toUpperCase())],
  ['a signature as sha256=hex', 202, signedAs((body) => `sha256=${hexOf(body)}`)],
  ['a signature as base64', 202, signedAs(base64Of)],
  ['the second secret', 202, () => ({ signing: { profile: 'body', secret: OTHER_SECRET } })],
  ['a secret of Standard Webhooks as it stands', 202, () => ({ signing: { profile: 'body', secret: ENCODED_SECRET } })],
  ['no signature', 401, () => ({ signing: false })],
  ['an empty signature', 401, signedAs(() => '')],
  ['the same signature twice', 401, tampered(twice('X-Cloud-Signature'))],
  ['a second, wrong signature', 401, tampered((all) => [...all, ['X-Cloud-Signature', 'ab']])],
  ['sha256= before base64', 401, signedAs((body) => `sha256=${base64Of(body)}`)],
  ['sha1= before hex', 401, signedAs((body) => `sha1=${hexOf(body)}`)],
  ['a digit too few', 401, signedAs((body) => hexOf(body).slice(1))],
  ['a digit too many', 401, signedAs((body) => `${hexOf(body)}0`)],
  ['base64 without its padding', 401, signedAs((body) => base64Of(body).slice(0, 43))],
  ['base64 whose last digit has bits of no byte', 401, signedAs((body) => otherSpelling(base64Of(body)))],
  ['the signature of another body', 401, signedAs(() => hexOf('{}'))],
  ['a signature under no secret of ours', 401, () => ({ signing: { profile: 'body', secret: 'somebody-elses' } })],
  ['a signature under the empty secret', 401, () => ({ signing: { profile: 'body', secret: '' } })],
  [
    'the signature in the query',
    401,
    () => ({ signing: false, target: `${ROUTE}/update?X-Cloud-Signature=${hexOf('')}` }),
  ],
  ['profile timestamped where body is named', 401, () => ({ signing: { profile: 'timestamped' } })],
  ['profile standard where body is named', 401, () => ({ signing: { profile: 'standard' } })],

  ['sent 31 days ago, without a signed time', 401, holds({ sent_at: ago(31 * 86_400) })],
  ['sent 29 days ago', 202, holds({ sent_at: ago(29 * 86_400) })],
  ['sent in an hour', 401, holds({ sent_at: ago(-3_600) })],
  ['neither a name nor a time', 202, holds({ event_id: undefined, sent_at: undefined })],

  ['an empty body', 400, says('')],
  ['no JSON', 400, says('hello')],
  ['a list', 400, says('[]')],
  ['a number', 400, says('7')],
  ['an object that is empty', 400, says('{}')],
  ['JSON that breaks off', 400, () => ({ body: eventText().slice(0, -1) })],
  ['JSON with something behind it', 400, () => ({ body: `${eventText()}x` })],
  ['single quotes', 400, () => ({ body: eventText().replaceAll('"', "'") })],
  ['NaN', 400, row('NaN')],
  ['a comment', 400, () => ({ body: `/**/${eventText()}` })],
  ['a key twice', 400, () => ({ body: eventText().replace('{', '{"sent_at":null,') })],
  [
    'a key twice in a change',
    400,
    () => ({ body: eventText().replace('"operation"', '"operation":null,"operation"') }),
  ],
  ['a key twice in a row', 202, row('{"id":7,"id":8}')],
  ['keys of the prototype', 202, holds({ hasOwnProperty: 1, constructor: { prototype: null } })],
  [
    '__proto__ in a row and beside it',
    202,
    () => ({ body: eventText().replaceAll('"name"', '"__proto__"').replace('{', '{"__proto__":{"isAdmin":true},') }),
  ],
  ['integers that no number holds', 202, row('{"id":123456789012345678901234567890,"n":1e400}')],
  ['a version that no number holds', 202, holds({ changes: [changeOf(1e300)] })],
  ['bytes that are no UTF-8', 400, () => ({ body: Buffer.concat([Buffer.from(eventText().slice(0, -1)), BAD_UTF8]) })],
  [
    'UTF-8 longer than it need be',
    400,
    () => ({ body: Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]) }),
  ],
  ['a byte order mark', 400, () => ({ body: `\uFEFF${eventText()}` })],
  ['UTF-16', 400, () => ({ body: Buffer.from(eventText(), 'utf16le') })],
  ['U+0000 in a name', 400, () => ({ body: eventText().replace('"product"', '"pro\\u0000duct"') })],
  ['U+0000 in a row', 202, row('{"name":"a\\u0000b"}')],
  ['U+0000 as a bare byte', 400, row('{"name":"\0"}')],
  ['half of a character in a row', 202, row('{"name":"\\ud800"}')],
  ['a row 100,000 deep', 202, row(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)],
  ['an envelope 100,000 deep', 400, says(`{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)],
  ['changes that are no list', 400, holds({ changes: { '0': changeOf(1) } })],
  ['changes that are no objects', 400, holds({ changes: [1, null, 'x'] })],
  ['no changes at all', 202, holds({ changes: [] })],
  ['an event whose name is a number', 400, holds({ event_id: 7 })],
  ['an event whose name is endless', 400, holds({ event_id: 'x'.repeat(300) })],
  ['yesterday as a time', 400, holds({ sent_at: 'yesterday' })],
  ['an unknown entity', 202, holds({ changes: [{ ...changeOf(1), entity_type: 'unknown' }] })],
  ['a table of the system', 202, holds({ changes: [{ ...changeOf(1), entity_type: 'pg_catalog.pg_authid' }] })],
  ['SQL as an id', 202, holds({ changes: [{ ...changeOf(1), entity_id: "'; DROP TABLE orders; --" }] })],
  ['a row that is a text', 202, row('"row"')],
  ['one bare change', 202, () => ({ body: JSON.stringify({ event_id: 'bare', ...changeOf(1) }) })],
  ['a conflict', 202, () => ({ target: `${ROUTE}/conflict`, body: JSON.stringify({ event_id: 'c', ...changeOf(3) }) })],
  [
    'a delete',
    202,
    () => ({ target: `${ROUTE}/delete`, body: JSON.stringify({ event_id: 'd', ...changeOf(4), data: null }) }),
  ],

  ['no type', 415, () => ({ without: ['content-type'] })],
  ['text', 415, header('Content-Type', 'text/plain')],
  ['a form', 415, header('Content-Type', 'application/x-www-form-urlencoded')],
  ['a type that begins like JSON', 415, header('Content-Type', 'application/jsonp')],
  ['the type twice', 415, lines(['Content-Type: application/json', 'Content-Type: text/html'])],
  ['charset=latin1', 415, header('Content-Type', 'application/json; charset=latin1')],
  ['charset="UTF-8"', 202, header('content-type', 'Application/JSON; charset="UTF-8"')],
  ['compressed', 415, () => ({ body: gzipSync(eventText()), headers: [['Content-Encoding', 'gzip']] })],
  ['compressed without saying so', 400, () => ({ body: gzipSync(eventText()) })],
  ['identity as an encoding', 202, header('Content-Encoding', 'identity')],

  ['exactly 1 MiB', 202, () => ({ body: eventText().padEnd(MIB) })],
  ['one byte more', 413, () => ({ body: eventText().padEnd(MIB + 1) })],
  ['10 GB announced', 413, () => [onlyHead(['Content-Length: 10000000000'])]],
  ['in chunks, without a length', 202, inChunks(eventText(), 100)],
  ['in chunks of one byte', 202, inChunks(eventText(), 1)],
  ['too much in chunks', 413, inChunks(' '.repeat(2 * MIB), 65_536)],
  ['chunks that are compressed too', 415, inChunks(eventText(), 100, 'gzip, chunked')],
  [
    'a chunk whose size is no number',
    400,
    () => [onlyHead(['Transfer-Encoding: chunked'], UNMEASURED), 'xyz\r\n{}\r\n0\r\n\r\n'],
  ],
  ['a length beside chunks', 400, lines(['Transfer-Encoding: chunked', 'Content-Length: 5'])],
  ['two lengths', 400, lines(['Content-Length: 5', 'Content-Length: 6'])],
  ['a negative length', 400, header('Content-Length', '-1')],
  ['a length in hex', 400, header('Content-Length', '0x10')],
  ['a length that is too short', 401, header('Content-Length', '20')],

  ['GET', 405, method('GET')],
  ['HEAD', 405, method('HEAD')],
  ['PUT', 405, method('PUT')],
  ['DELETE', 405, method('DELETE')],
  ['OPTIONS', 405, method('OPTIONS')],
  ['TRACE', 405, method('TRACE')],
  ['CONNECT', 405, () => ['CONNECT db.local:5432 HTTP/1.1\r\nHost: db.local\r\n\r\n']],
  ['an unknown method', 400, method('STEAL')],
  ['post in small letters', 400, method('post')],

  ['another route', 404, target(`${ROUTE}/insert`)],
  ['the root', 404, target('/')],
  ['a route of the admin port', 404, target('/api/v1/sync/status')],
  ['a slash at the end', 404, target(`${ROUTE}/update/`)],
  ['a slash doubled in front', 404, target(`/${ROUTE}/update`)],
  ['a slash doubled within', 404, target(ROUTE.replace('cloud', '/cloud/update'))],
  ['dots', 404, target(`${ROUTE}/delete/../update`)],
  ['dots by percent signs', 404, target(`${ROUTE}/%2e/update`)],
  ['a letter by its percent sign', 404, target(`${ROUTE}/upd%61te`)],
  ['capitals', 404, target(`${ROUTE}/Update`)],
  ['a backslash', 404, target(`${ROUTE}\\update`)],
  ['a semicolon', 404, target(`${ROUTE}/update;x=1`)],
  ['a host in the request line', 404, target(`http://127.0.0.1${ROUTE}/update`)],
  ['a query', 202, target(`${ROUTE}/update?a=1&a=2`)],
  ['nothing but a question mark', 202, target(`${ROUTE}/update?`)],

  ['first the address: a stranger at no route', 403, target('/nowhere'), '127.0.0.2'],
  ['then the route: GET of none', 404, () => ({ method: 'GET', target: '/nowhere', body: '', signing: false })],
  ['then the method: GET of text', 405, lines(['Content-Type: text/plain'], { method: 'GET', signing: false })],
  ['then the type: too much text', 415, lines(['Content-Type: text/plain'], { body: LONG })],
  ['then the size: too much unsigned', 413, () => ({ body: LONG, signing: false })],
  ['then the signature: no JSON, unsigned', 401, () => ({ body: 'x', signing: false })],

  ['a stranger', 403, () => ({}), '127.0.0.2'],
  ['a stranger who names somebody else', 403, forwarded('127.0.0.1'), '127.0.0.2'],
  ['a friend who names a stranger', 202, forwarded('198.51.100.1')],
  ['a proxy that names nobody', 403, () => ({}), '127.0.0.3'],
  ['a proxy that names a friend', 202, forwarded('203.0.113.9'), '127.0.0.3'],
  ['a proxy that names a friend in v6', 202, forwarded('2001:DB8:0::9'), '127.0.0.3'],
  ['a proxy that names a friend in v6 clothes', 202, forwarded('::ffff:203.0.113.9'), '127.0.0.3'],
  ['a proxy that names a friend with a port', 202, forwarded('203.0.113.9:4711'), '127.0.0.3'],
  ['a proxy that names a stranger', 403, forwarded('198.51.100.1'), '127.0.0.3'],
  ['a friend forged to the left of a stranger', 403, forwarded('203.0.113.9, 198.51.100.1'), '127.0.0.3'],
  ['a friend forged in a header before', 403, forwarded('203.0.113.9', '198.51.100.1'), '127.0.0.3'],
  ['two proxies', 202, forwarded('198.51.100.1, 203.0.113.9, 127.0.0.3'), '127.0.0.3'],
  ['a proxy that names what is no address', 403, forwarded('203.0.113.9, unknown'), '127.0.0.3'],

  ['HTTP/1.0', 202, () => ({ version: 'HTTP/1.0' })],
  ['HTTP/1.0 without a host', 202, () => ({ version: 'HTTP/1.0', without: ['host'] })],
  ['HTTP/1.1 without a host', 400, () => ({ without: ['host'] })],
  ['HTTP/0.9', 404, () => ['GET /\r\n\r\n']],
  ['HTTP/3.0', 400, () => ({ version: 'HTTP/3.0' })],
  ['the preface of HTTP/2', 400, () => ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']],
  ['TLS', 400, () => [Buffer.from('16030100c8010000c40303', 'hex')]],
  ['a plea for HTTP/2', 202, lines(['Connection: Upgrade, HTTP2-Settings, close', 'Upgrade: h2c'])],
  [
    'a plea for a web socket',
    405,
    lines(['Connection: Upgrade, close', 'Upgrade: websocket'], { method: 'GET', body: '' }),
  ],
  ['an expectation of something else', 202, header('Expect', 'a-miracle')],
  ['leave asked for and given', [100, 202], header('Expect', '100-continue')],
  ['leave asked for in vain', 413, () => [onlyHead(['Expect: 100-continue', 'Content-Length: 2000000'])]],
  ['a header of 9 KiB', 431, header('X-Long', 'x'.repeat(9 * 1024))],
  ['two hundred headers', 431, lines(Array.from({ length: 200 }, (_, at) => `X-${at}: x`))],
  ['fifty signatures', 401, lines(Array(50).fill(`X-Cloud-Signature: ${hexOf('x')}`), { signing: false })],
  ['a NUL in a header', 400, header('X-Nul', 'a\0b')],
  ['a blank before the colon', 400, header('Content-Type ', 'application/json')],
  ['a header that goes on in the next line', 400, header('X-Folded', 'a\r\n b')],
  ['a bare line feed in a header', 400, header('X-Bare', 'a\nContent-Length: 5')],
  ['a bare carriage return in a header', 400, header('X-Bare', 'a\rb')],
  ['two requests in one piece', [202, 202], () => [inOne({}, {})]],
  ['a true request behind a false one', [401, 202], () => [inOne({ signing: false }, {})]],
  ['a true request behind one that was not read', 413, () => [onlyHead(['Content-Length: 2000000'], KEPT), onWire()]],
  ['garbage behind a true request', 202, () => [onWire(KEPT), '\x01\x02\r\n\r\n']],
  ['a request hidden in a body', 401, () => ({ signing: false, body: onWire() })],
  ['a request in pieces of one byte', 202, () => [...onWire().toString('latin1')]],
  ['empty lines before the request', 202, () => ['\r\n\r\n', onWire()]],
];

let cluster: Cluster;
let shop: Shop;
let stage: WebhookStage;
beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'hostile');
  stage = await openWebhookStage(shop.db, { profile: 'body' });
  await stage.serve();
});
afterAll(async () => {
  await stage?.close();
  await shop?.close();
  await cluster?.destroy();
});

let taken = 0;
test.each(CASES)('%s: %s', async (_name, expected, make, from = '127.0.0.1') => {
  const made = make();
  const answers = await sendRaw(stage.port, Array.isArray(made) ? made : [onWire(made)], { from });
  expect(answers.map(({ status }) => status)).toEqual([expected].flat());
  const { status, headers, body } = answers.at(-1) as RawAnswer;
  const isHead = !Array.isArray(made) && made.method === 'HEAD';
  taken += answers.filter((answer) => answer.status === 202).length;
  if (status === 202) {
    expect(Object.keys(JSON.parse(body))).toEqual(['accepted']);
  } else if (!isHead) {
    expect(headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(body)).toMatchObject({ status });
    expect(body).not.toMatch(/ {4}at |\/src\/|\/dist\/|planted/);
  }
  if (status === 401) expect(body).toBe('{"type":"about:blank","title":"Unauthorized","status":401}');
  if (status === 405) expect(headers.allow).toMatch(/POST/);
});

test('every event that was accepted is stored, and nothing else', async () => {
  expect(taken).toBeGreaterThan(20);
  expect(await stage.events()).toHaveLength(taken);
  expect(stage.calls.messages).toBe(taken);
  expect(stage.listener.health().ok).toBe(true);
  expect(stage.lines.filter((line) => /"level":"error"|planted|another-|c3Rhbm/.test(line))).toEqual([]);
});
