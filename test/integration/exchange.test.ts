/** Answers that no honest cloud would give to one push: none may stop the daemon. */
import type { PendingChange } from '../../src/push/backlog.js';
import { makeChange } from '../support/changes.js';
import { accepted, answered, conflict, ExchangeStage } from '../support/exchange-stage.js';
import type { SettleStage } from '../support/settle-stage.js';

let exchange: ExchangeStage;
let stage: SettleStage;
beforeAll(async () => {
  exchange = await ExchangeStage.open();
  stage = exchange.settled;
});
afterAll(() => exchange?.close());
beforeEach(() => exchange.reset());

test('a row with texts that cannot be stored spoils no other; each change has its line in the log', async () => {
  const changes = await exchange.waiting(4);
  const body = answered(
    accepted(changes[0]),
    conflict(changes[1], '{"n":"a\\u0000b\\ud800","m":"\\\\u0000 \\ud83d\\ude00"}'),
    accepted(changes[2]),
    conflict(changes[3], '{"n":1.00000000000000000001}'),
  );
  const report = await exchange.push(changes, 200, body);
  expect(await exchange.statuses()).toEqual(['synced', 'conflict', 'synced', 'conflict']);
  expect([report.accepted, report.states.size, report.held.size]).toEqual([2, 2, 2]);
  const { rows: conflicts } = await stage.shop.sql.query('SELECT cloud::text FROM syncd.sync_conflicts ORDER BY id');
  expect(conflicts.map((row) => row.cloud)).toEqual([
    '{"n":"a\\ufffdb\\ufffd","m":"\\\\u0000 \\ud83d\\ude00"}',
    '{"n":1.00000000000000000001}',
  ]);
  const { rows } = await stage.shop.sql.query('SELECT change_ids, outcomes FROM syncd.sync_logs ORDER BY id');
  expect(rows.map((row) => row.outcomes)).toEqual([['accepted'], ['conflict'], ['accepted'], ['conflict']]);
  expect(rows.flatMap((row) => row.change_ids)).toEqual(changes.map((change) => change.change_id));
});

test.each([
  ['for the first time', 0],
  ['again', 1],
])(
  'beside a row that cannot be stored, what follows a change that is held %s is left behind it',
  async (_what, holds) => {
    const ids = await stage.add({ entity: 'a' }, { entity: 'a' }, { entity: 'b' });
    const { rows } = await stage.shop.sql.query('SELECT id, change_id, entity_id FROM syncd.sync_queue ORDER BY id');
    const changes = rows.map((row, n) => ({ ...makeChange(row), ...(n === 0 && { holdCount: holds }) }));
    const [first, second, other] = changes;
    const body = answered(
      `{"change_id":"${first?.change_id}","status":"held","waiting_for":{"entity_type":"customer","entity_id":"7"}}`,
      `{"change_id":"${second?.change_id}","status":"rejected","error":{"code":"unknown","message":"no such order","retryable":true}}`,
      conflict(other, '{"n":"a\\u0000b"}'),
    );
    const report = await exchange.push(changes, 200, body);
    expect(report.again.map(({ id }) => id)).toEqual(holds === 0 ? ids.slice(0, 2) : []);
    expect([...report.held]).toEqual(holds === 0 ? [other?.key] : [first?.key, other?.key]);
    expect(await stage.row(second?.id)).toMatchObject({ status: 'pending', retry_count: 0, next_s: null });
  },
);

test('beside a row that cannot be stored, what follows an accepted change of its own entity is not settled with it', async () => {
  await stage.add({ entity: 'a' }, { entity: 'a' });
  const { rows } = await stage.shop.sql.query('SELECT id, change_id, entity_id FROM syncd.sync_queue ORDER BY id');
  const changes = rows.map((row) => makeChange(row));
  await exchange.push(changes, 200, answered(accepted(changes[0]), conflict(changes[1], '{"n":"a\\u0000b"}')));
  expect(await exchange.statuses()).toEqual(['synced', 'conflict']);
});

test('a conflict whose row has to be made storable is one also where its change was sent alone', async () => {
  const changes = await exchange.waiting(1);
  await exchange.push(changes, 200, answered(conflict(changes[0], '{"n":"a\\u0000b"}')));
  expect(await exchange.statuses()).toEqual(['conflict']);
});

test.each<[string, (changes: PendingChange[], deep: string) => string]>([
  ['a row', (changes, deep) => answered(conflict(changes[0], `{"n":${deep}}`), accepted(changes[1]))],
  ['something beside', (changes, deep) => answered(`{"x":${deep}}`, conflict(changes[0], '{}'), accepted(changes[1]))],
])('%s that is nested beyond any stack holds the conflict, not the batch', async (_title, body) => {
  const changes = await exchange.waiting(2);
  await exchange.push(changes, 200, body(changes, '['.repeat(100_000) + ']'.repeat(100_000)));
  expect(await exchange.statuses()).toEqual(['pending', 'synced']);
  expect(await stage.row(changes[0]?.id)).toMatchObject({ hold_count: 1, retry_count: 0 });
  expect(exchange.told).toContainEqual(expect.objectContaining({ fault: expect.stringContaining('cannot be stored') }));
});

test('an instant that only JavaScript takes for one is none: the conflict stands without it', async () => {
  const changes = await exchange.waiting(2);
  await exchange.push(changes, 200, answered(conflict(changes[0], '{}', ',"updated_at":"1"'), accepted(changes[1])));
  expect(await exchange.statuses()).toEqual(['conflict', 'synced']);
  expect(await stage.row(changes[0]?.id)).toMatchObject({ hold_count: 0, retry_count: 0 });
});

test.each<[string, number, (changes: PendingChange[]) => string]>([
  ['a refusal', 422, () => '{"error":{"code":"a\\u0000b","message":"c\\u0000d"}}'],
  ['an outage', 500, () => '{"error":{"code":"a\\u0000b","message":"c\\u0000d"}}'],
  [
    'a rejection',
    200,
    ([one]) =>
      answered(`{"change_id":"${one?.change_id}","status":"rejected","error":{"code":"\\u0000","message":"\\u0000"}}`),
  ],
  [
    'a hold',
    200,
    ([one]) =>
      answered(
        `{"change_id":"${one?.change_id}","status":"held","waiting_for":{"entity_type":"\\u0000","entity_id":"\\u0000"}}`,
      ),
  ],
  ['an agreement', 200, ([one]) => answered(accepted(one, ',"cloud_id":"\\u0000"'))],
])('U+0000 in %s is survived', async (_title, status, body) => {
  const [change] = await exchange.waiting(1);
  const held = { ...(change as PendingChange), holdCount: 1 };
  await exchange.push([held], status, body([held]));
  expect(await stage.count('sync_logs')).toBe(1);
});

test('clocks from beyond the range of dates are survived', async () => {
  for (const server_time of ['+275760-09-13T00:00:00Z', '-000001-01-01T00:00:00Z', '9999-12-31T23:59:59Z']) {
    const changes = await exchange.waiting(1);
    const body = `{"results":[${accepted(changes[0])}],"server_time":"${server_time}"}`;
    for (let n = 0; n < 3; n++) await exchange.push(changes, 200, body);
    expect(await exchange.statuses()).toEqual(['synced']);
    await stage.reset();
  }
});

test('once another daemon leads, an answer settles nothing and ends this one', async () => {
  const changes = await exchange.waiting(1);
  await stage.lead(2);
  await expect(exchange.push(changes, 200, answered(accepted(changes[0])))).rejects.toMatchObject({
    code: 'anotherDaemon',
  });
  expect(await exchange.statuses()).toEqual(['pending']);
});

test('an answer from another history of the cloud settles nothing', async () => {
  const changes = await exchange.waiting(1);
  const report = await exchange.push(changes, 200, `{"results":[${accepted(changes[0])}],"cloud_epoch":"restored"}`);
  expect(report.outcome).toEqual({ kind: 'restored', reason: 'another history' });
  expect(await exchange.statuses()).toEqual(['pending']);
  expect(await stage.one('SELECT outcome, error FROM syncd.sync_logs')).toEqual({
    outcome: 'restored',
    error: 'another history',
  });
});

test('results for nobody, twice or broken are told and settle nothing of theirs', async () => {
  const changes = await exchange.waiting(3);
  const body = answered(
    accepted(changes[0]),
    accepted(changes[0]),
    accepted(makeChange({ id: '99' })),
    'null',
    accepted(changes[2]),
  );
  await exchange.push(changes, 200, body);
  expect(await exchange.statuses()).toEqual(['pending', 'pending', 'synced']);
  expect(exchange.told.length).toBe(3);
});

test('a hold counts anew where what it waits for was settled since, and spends an attempt where it was not', async () => {
  const [row] = await exchange.waiting(1);
  const change = { ...(row as PendingChange), holdCount: 5, retried: true };
  const held = `{"change_id":"${change.change_id}","status":"held","waiting_for":{"entity_type":"order","entity_id":"p"}}`;
  const again = async () => {
    await stage.one('UPDATE syncd.sync_queue SET hold_count = 5, next_attempt_at = clock_timestamp()');
    await exchange.push([change], 200, answered(held));
    return stage.row(change.id);
  };
  expect(await again()).toMatchObject({ status: 'pending', hold_count: 6, retry_count: 1 });
  await stage.one(`INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version, last_synced_at)
                   VALUES ('order', 'p', 1, 1, clock_timestamp())`);
  expect(await again()).toMatchObject({ status: 'pending', hold_count: 1 });
});
