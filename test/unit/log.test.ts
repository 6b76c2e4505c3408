/** What the daemon's log says and never says, and that nothing about it can stop the daemon. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog, type Log, type LogOptions } from '../../src/log.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'syncd-log-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function logged(options: LogOptions, act: (log: Log) => void): string {
  const file = join(directory, 'log');
  const fd = openSync(file, 'w');
  act(createLog({ ...options, fd }));
  closeSync(fd);
  return readFileSync(file, 'utf8');
}
const objects = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

test('where no terminal is, every line is one JSON object with instant, level and message first', () => {
  const text = logged({}, (log) =>
    log.info('batch pushed', { changes: 3, level: 'x', message: 'y', nested: { id: '1' } }),
  );
  expect(Object.keys(objects(text)[0]).slice(0, 3)).toEqual(['at', 'level', 'message']);
  expect(objects(text)).toEqual([
    {
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      level: 'info',
      message: 'batch pushed',
      changes: 3,
      nested: { id: '1' },
    },
  ]);
});

test('as text, every line is one line', () => {
  const text = logged({ format: 'text' }, (log) => log.warn('two\nlines', { error: new Error('a\nb'), batch_id: 'x' }));
  expect(text).toMatch(/^\d\d:\d\d:\d\d warn {2}two lines {2}error="a b" {2}batch_id=x\n$/);
});

test.each(['text', 'json'] as const)('as %s it shows what a terminal would obey', (format) => {
  const hostile = '\x1b]0;x\x07\x9b2J\u202e\u{e0001}';
  const text = logged({ format }, (log) => log.warn(`all ${hostile}`, { entity_id: hostile, error: `in ${hostile}` }));
  expect(text.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(text.match(/\\u001b\]0;x\\u0007\\u009b2J\\u202e\\udb40\\udc01/g)).toHaveLength(3);
  if (format === 'json') expect(objects(text)[0].entity_id).toBe(hostile);
});

test('below its level nothing is said', () => {
  expect(logged({ level: 'warn' }, (log) => log.info('x'))).toBe('');
  expect(logged({ level: 'debug' }, (log) => log.debug('x'))).toContain('"debug"');
});

test('planted secrets, rows, passwords in URLs and fields named like secrets are left out, however deep', () => {
  const secrets = ['planted-key', 'pä/planted "pw"'];
  const text = logged({ secrets }, (log) => {
    log.info('key is planted-key', {
      note: 'pä/planted "pw"',
      url: `postgres://u:${encodeURIComponent(secrets[1] as string)}@h/d`,
    });
    log.error('x', {
      error: new Error('got planted-key'),
      deep: [{ apiKey: 'planted-other', headers: { authorization: 'planted' } }],
    });
    log.warn('connect postgres://u:planted-pw@h/d failed', {
      payload: '{"name":"planted"}',
      previous: { a: 'planted' },
    });
  });
  expect(text).not.toContain('planted');
  expect(objects(text)).toHaveLength(3);
});

test('a trouble is told once, and its end once with how long it lasted', () => {
  const lines = objects(
    logged({}, (log) => {
      log.info('never said', { recovered: 'cloud' });
      log.warn('the cloud does not answer', { trouble: 'cloud', error: 'a' });
      log.warn('the cloud does not answer', { trouble: 'cloud', error: 'b' });
      log.info('the cloud answers again', { recovered: 'cloud' });
      log.info('the cloud answers again', { recovered: 'cloud' });
    }),
  );
  expect(lines.map(({ message }) => message)).toEqual(['the cloud does not answer', 'the cloud answers again']);
  expect(lines[1]).toMatchObject({ times: 2, lasted_ms: expect.any(Number) });
});

test('without a name the same error is the same trouble, another error another', () => {
  const text = logged({}, (log) => {
    for (const error of ['a', 'a', 'b']) log.error('failed', { error, batch_id: Math.random() });
  });
  expect(objects(text).map(({ error }) => error)).toEqual(['a', 'b']);
});

test('a full disk and a closed file are endured, and the lost lines are counted when there is room again', () => {
  const full = openSync('/dev/full', 'w');
  const log = createLog({ fd: full });
  expect(() => log.info('lost')).not.toThrow();
  closeSync(full);
  log.info('lost too');
  const text = join(directory, 'log');
  const fd = openSync(text, 'w');
  expect(fd).toBe(full);
  log.info('found');
  closeSync(fd);
  expect(objects(readFileSync(text, 'utf8'))).toMatchObject([
    { message: 'log lines were lost', lines: 2 },
    { message: 'found' },
  ]);
});

test('what cannot be written as JSON is no reason to fail', () => {
  const circle: Record<string, unknown> = { big: 10n };
  circle.self = circle;
  expect(objects(logged({}, (log) => log.info('x', circle)))[0]).toMatchObject({ message: 'x', big: '10' });
});
