/** Everything that can be wrong with syncd.yaml: each fault is named with its line, its field, what was given and what is allowed. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationError } from '../../src/config/faults.js';
import { loadSettings } from '../../src/config/load.js';
import { ConfigFile, GOOD } from '../support/config-file.js';

const good = new ConfigFile();
afterAll(() => good.remove());
const { directory, file } = good;
const faults = good.faults.bind(good);

const entity = (text: string): [string, string] => ['order: { table: public.orders }', text];
const sync = (text: string): [string, string] => ['sync: { interval: 30s }', `sync: { ${text} }`];

describe('one fault', () => {
  test('the good file has none', () => expect(faults('')).toEqual([]));

  test.each<[string, string | [string, string], RegExp]>([
    [
      'a word for an interval',
      sync('interval: 30 parsecs'),
      /^4 \| sync.interval \| "30 parsecs" is not allowed; it takes a duration from 1s to 1d, such as 30s$/,
    ],
    ['an interval without a unit', sync('interval: 30'), /^4 \| sync.interval \| 30 is not allowed/],
    ['an interval of zero', sync('interval: 0s'), /"0s" is not allowed/],
    ['a negative interval', sync('interval: -5s'), /"-5s" is not allowed/],
    ['an interval of years', sync('interval: 400d'), /"400d" is not allowed/],
    [
      'a cap below the first wait',
      sync('retry: { initial_backoff: 2m, max_backoff: 1m }'),
      /^4 \| sync.retry.max_backoff \| 1m is shorter than initial_backoff \(2m\)$/,
    ],
    [
      'a cap below the default first wait',
      sync('retry: { max_backoff: 10s }'),
      /10s is shorter than initial_backoff \(1m\)/,
    ],
    ['a multiplier below one', sync('retry: { multiplier: 0.5 }'), /a number from 1 to 10/],
    ['retries that are no whole number', sync('retry: { max_retries: 2.5 }'), /a whole number from 0 to 100/],
    ['an unknown key', sync('intervall: 30s'), /^4 \| sync.intervall \| unknown key; did you mean "interval"\?$/],
    ['a key of another section', sync('max_retries: 3'), /unknown key; it belongs under sync.retry$/],
    ['a key that belongs nowhere', 'colour: red\n', /^7 \| colour \| unknown key; known here: outlet, database/],
    ['a missing section', ['outlet: { id: outlet-7 }\n', ''], /^1 \| outlet\.id \| is missing; it takes a text|outlet/],
    ['a missing field', ['id: outlet-7', 'code: A'], /^1 \| outlet.id \| is missing/],
    ['an id that YAML reads as a number', ['outlet-7', '0017'], /17 is not allowed; it takes a text .*in quotes/],
    ['a field left empty', ['{ id: outlet-7 }', '{ id: outlet-7, code: }'], /^1 \| outlet.code \| is empty/],
    [
      'a section that is a text',
      ['sync: { interval: 30s }', 'sync: fast'],
      /^4 \| sync \| what is given is not allowed; it takes a section/,
    ],
    [
      'a time zone of the moon',
      ['id: outlet-7', 'id: outlet-7, timezone: Moon/Tranquility'],
      /"Moon\/Tranquility" is not allowed; it takes a time zone/,
    ],
    [
      'http to another machine',
      ['https://cloud.example.com', 'http://cloud.example.com'],
      /^3 \| cloud.url \| .*takes an https URL/,
    ],
    [
      'a cloud URL with a login',
      ['https://cloud', 'https://me:hunter2@cloud'],
      /"https:\/\/me:\*\*\*@cloud.example.com" is not allowed/,
    ],
    [
      'another database',
      ['postgres:///pos', 'mysql://u:hunter2@h/pos'],
      /^2 \| database.url \| "mysql:\/\/…" is not allowed/,
    ],
    [
      'a database URL without a database',
      ['postgres:///pos', 'postgres://h'],
      /is not allowed; it takes a URL such as/,
    ],
    ['several hosts in one URL', ['postgres:///pos', '"postgres://a,b/pos"'], /or a list of such \(one host each\)/],
    ['a relative state directory', 'state_dir: var/syncd\n', /it takes an absolute path/],
    ['no entity', ['  order: { table: public.orders }\n', '  {}\n'], /^5 \| entities \| no entity is configured/],
    ['an empty list of entities', ['  order: { table: public.orders }\n', ''], /^5 \| entities \| is empty/],
    [
      'a table with a blank and no quotes',
      entity('order: { table: Tax Rates }'),
      /"Tax Rates" is not allowed; it takes a table, such as public.orders or '"Tax Rates"'/,
    ],
    ['a table with a hyphen and no quotes', entity('order: { table: tax-rates }'), /"tax-rates" is not allowed/],
    ['a table in three parts', entity('order: { table: a.b.c }'), /"a.b.c" is not allowed/],
    [
      'an injection for a table',
      entity("order: { table: 'orders; drop table x' }"),
      /is not allowed; it takes a table/,
    ],
    ['a bad entity name', entity('"or/der": { table: orders }'), /made of letters, digits, _ and -/],
    ['an entity named like a prototype', entity('__proto__: { table: orders }'), /made of letters|no entity/],
    [
      'an unknown direction',
      entity('order: { table: orders, direction: out }'),
      /"out" is not allowed; it takes one of push, pull, both/,
    ],
    [
      'an excluded key',
      entity('order: { table: orders, key: [code], exclude: [code] }'),
      /^6 \| entities.order.exclude \| code is a key column/,
    ],
    [
      'an excluded key, quoted',
      entity('order: { table: orders, key: [\'"Code"\'], exclude: [Code] }'),
      /Code is a key column/,
    ],
    [
      'an added-up key',
      entity('order: { table: orders, direction: both, conflict: merge, key: [code], delta: [code] }'),
      /entities.order.delta \| code is a key column/,
    ],
    [
      'an excluded delta',
      entity('order: { table: orders, direction: both, conflict: merge, exclude: [qty], delta: [qty] }'),
      /delta \| qty is excluded/,
    ],
    [
      'a delta that is also local',
      entity('order: { table: orders, direction: both, conflict: merge, local: [qty], delta: [qty] }'),
      /delta \| qty is also listed as local/,
    ],
    [
      'a delta under another strategy',
      entity('order: { table: orders, direction: both, delta: [qty] }'),
      /^6 \| entities.order.delta \| is for what is merged: it needs direction: both and conflict: merge$/,
    ],
    [
      'a delta of what is only pushed',
      [
        'sync: { interval: 30s }\nentities:\n  order: { table: public.orders }',
        'sync: { conflict: merge }\nentities:\n  order: { table: orders, delta: [qty] }',
      ],
      /delta \| is for what is merged/,
    ],
    [
      'merging what only comes in',
      entity('order: { table: orders, direction: pull, conflict: merge }'),
      /^6 \| entities.order.conflict \| merge is for what both sides edit, and direction is pull$/,
    ],
    [
      'tables written by triggers on what is only pushed',
      entity('order: { table: orders, also_writes: [audit] }'),
      /also_writes \| is for what is pulled/,
    ],
    [
      'tables written by triggers that SQL could not name',
      entity('order: { table: orders, direction: both, also_writes: [a b] }'),
      /also_writes \| \["a b"\] is not allowed; it takes a list of tables/,
    ],
    ['a pull since yesterday', sync('since: yesterday'), /since \| "yesterday" is not allowed; it takes an instant/],
    ['a pull since no zone knows when', sync('since: 2026-11-01T00:00:00'), /since \| .*with its zone/],
    ['a pull since 31 June', sync('since: 2026-06-31T00:00:00Z'), /since \| /],
    ['a long poll of an hour', sync('long_poll: 1h'), /long_poll \| .*from 0s to 55s/],
    ['a column twice', entity('order: { table: orders, exclude: [a, a] }'), /exclude \| a stands twice/],
    ['an empty key', entity('order: { table: orders, key: [] }'), /a list of key columns/],
    [
      'an excluded date',
      entity('order: { table: orders, exclude: [at], date_field: at }'),
      /date_field \| at is excluded/,
    ],
    [
      'coalescing what only comes in',
      entity('order: { table: orders, direction: pull, coalesce: true }'),
      /coalesce \| is for what is pushed/,
    ],
    [
      'two entities on one table',
      entity('order: { table: public.orders }\n  bill: { table: ORDERS }'),
      /^7 \| entities.bill.table \| ORDERS is the table of entity order already/,
    ],
    [
      'a queue kept shorter than its log',
      'retention: { queue: 10d, logs: 30d }\n',
      /^7 \| retention.queue \| 10d is shorter than retention.logs \(30d\)/,
    ],
    ['a rate without a percent sign', 'alerts: { failure_rate: 5 }\n', /a percentage/],
    ['an unknown hook', 'alerts: { send: [{ shout: x }] }\n', /alerts.send.0 .*takes either \{ url: https/],
    [
      'an alert over a bare line',
      'alerts: { send: [{ url: http://x }] }\n',
      /alerts.send.0 .*takes either \{ url: https/,
    ],
    ['a size of nothing', 'disk: { floor: some }\n', /a size, such as 1GB/],
    [
      'a key file that is not there',
      ['api_key: planted-key-1', 'api_key_file: /nowhere/key'],
      /^3 \| cloud.api_key_file \| \/nowhere\/key does not exist$/,
    ],
    ['no key at all', [', api_key: planted-key-1', ''], /^3 \| cloud.api_key_file \| no API key/],
    ['a key too short to be one', ['planted-key-1', 'abc'], /^3 \| cloud.api_key \| \*\*\* is not allowed/],
    [
      'a certificate file that is not there',
      ['api_key:', 'ca_file: /nowhere/ca.pem, api_key:'],
      /\/nowhere\/ca.pem cannot be read \(ENOENT\)/,
    ],
  ])('%s', (_, change, expected) => {
    const found = faults(change);
    expect(found.join('\n')).toMatch(expected);
    expect(found).toHaveLength(1);
  });
});

describe('YAML', () => {
  test.each([
    ['a tab in the indentation', 'log:\n\tlevel: info\n', /^8 \|\s+\| .*(tab|indentation)/],
    [
      'a bracket that is not closed',
      'log: { level: info\n',
      /^7 \|\s+\| the "\{" on this line is not closed: its "}" is missing/,
    ],
    [
      'the inner one of two',
      'alerts: { send: [{ url: x }\nlog: {}\n',
      /^7 \|\s+\| the "\[" on this line is not closed/,
    ],
    ['one that is missed lines later', 'alerts:\n  send: [\n    a,\nlog: {}\n', /^8 \|\s+\| the "\[" on this line/],
    [
      'a line that is not indented as those above',
      'log:\n  level: info\n format: json\n',
      /^9 \|\s+\| the indentation/,
    ],
    ['a quote that is not closed', 'log: { level: "info }\n', /^7 \|\s+\| the closing quote \("\)/],
    ['a key twice', 'outlet: { id: x }\n', /^7 \|\s+\| this key stands twice/],
    ['a second colon', 'log: level: info\n', /second colon/],
    ['a second document', '---\nlog: {}\n', /second document/],
    ['an alias without an anchor', 'log: *nothing\n', /alias/],
  ])('%s is told with its line, without quoting the file', (_, added, expected) => {
    expect(faults(added)[0]).toMatch(expected);
  });

  test('two brackets that are not closed on one line are one fault, on two lines two', () => {
    expect(faults('alerts: { send: [{ url: x }\nlog: {}\n')).toHaveLength(1);
    expect(faults('alerts: { window: 5m\nlog: { level: info\nstate_dir: /x\n')).toHaveLength(2);
  });

  test('an empty file, a list and a text are refused', () => {
    for (const text of ['', '# nothing\n', '- a\n', 'hello\n']) {
      writeFileSync(file, text);
      expect(() => loadSettings({ file, env: {} })).toThrow(ConfigurationError);
    }
  });

  test('half a password that a comma has made a key is not shown', () => {
    const found = faults(['postgres:///pos', 'postgres://u:hunter2,swordfish@h/pos']);
    expect(found).toHaveLength(2);
    expect(found.join()).not.toMatch(/hunter2|swordfish/);
  });

  test('what stands around a fault is never quoted, for it may be a password', () => {
    writeFileSync(file, `${GOOD}x: "planted-secret" planted-secret\n`);
    expect(() => loadSettings({ file, env: {} })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('planted') }),
    );
  });
});

test('all faults are told at once, in the order of the file, and none shows a secret', () => {
  const found = faults(`alerts: { windw: 5m }\nstate_dir: here\n`.concat('disk: { warn: soon }\n'), {
    SYNCD_SYNC_INTERVAL: 'often',
    SYNCD_CLOUD_API_KEY: 'short',
    DATABASE_URL: 'host=h password=hunter2',
  });
  expect(found.map((fault) => fault.split(' | ').slice(0, 2).join(' '))).toEqual([
    '$DATABASE_URL database.url',
    '$SYNCD_CLOUD_API_KEY cloud.api_key',
    '$SYNCD_SYNC_INTERVAL sync.interval',
    '7 alerts.windw',
    '8 state_dir',
    '9 disk.warn',
  ]);
  expect(found.join()).not.toMatch(/hunter2|short"/);
});

test('a file that is missing, a directory or not for this user is named', () => {
  expect(() => loadSettings({ file: join(directory, 'no.yaml'), env: {} })).toThrow(/no.yaml does not exist/);
  expect(() => loadSettings({ file: directory, env: {} })).toThrow(/is a directory/);
  writeFileSync(file, Buffer.from([0xff, 0xfe, 0x00]));
  expect(() => loadSettings({ file, env: {} })).toThrow(/is not UTF-8 text/);
  if (process.getuid?.() !== 0) {
    chmodSync(file, 0);
    expect(() => loadSettings({ file, env: {} })).toThrow(/may not be read by this user/);
  }
});
