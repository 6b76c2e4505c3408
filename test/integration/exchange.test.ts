/** One push from its body to the settled rows, against answers that no honest cloud would give: none may stop the daemon. */
import type { CloudClient } from '../../src/cloud/client.js';
import { ClockOffset } from '../../src/cloud/clock.js';
import type { PendingChange } from '../../src/push/backlog.js';
import { type ExchangeReport, pushBatch } from '../../src/push/exchange.js';
import { claimDue } from '../../src/queue/claim.js';
import { discardChanges } from '../../src/queue/manage.js';
import { makeChange, uuid } from '../support/changes.js';
import { openSettleStage, type SettleStage } from '../support/settle-stage.js';

let stage: SettleStage;
let told: unknown[];
/** What is answered to what is sent after the first. */
let afterwards: [status: number, body: string][] = [];
/** Names of the changes in each request. */
let sent: string[][];
beforeAll(async () => {
  stage = await openSettleStage('embedded-postgres');
});
afterAll(() => stage?.close());
beforeEach(async () => {
  await stage.reset();
  told = [];
  afterwards = [];
});

/** Changes of entities of their own that really wait in the queue. */
async function waiting(count: number): Promise<PendingChange[]> {
  const given = Array.from({ length: count }, (_, n) => ({ entity: `e${n}` }));
  const ids = await stage.add(...given);
  const { rows } = await stage.shop.sql.query('SELECT id, change_id, entity_id FROM syncd.sync_queue ORDER BY id');
  expect(rows.map((row) => row.id)).toEqual(ids);
  return rows.map((row) => makeChange(row));
}

function push(changes: PendingChange[], status: number, body: string, leader_epoch = '1'): Promise<ExchangeReport> {
  const answers = [[status, body] as const, ...afterwards];
  sent = [];
  const client = {
    push: async (request: Buffer) => {
      const [with_, text] = answers[sent.length] ?? [500, ''];
      sent.push(JSON.parse(request.toString()).changes.map((one: { change_id: string }) => one.change_id));
      const reply = {
        kind: 'answer',
        status: with_,
        body: text,
        retryAfter: undefined,
        date: undefined,
        durationMs: 1,
      };
      return { reply, bytes: 10, wireBytes: 5 };
    },
  } as unknown as CloudClient;
  const note = (_message: string, fields: unknown) => void told.push(fields);
  const deps = {
    db: stage.db,
    client,
    clock: new ClockOffset(true),
    identity: { outlet_id: 'o', install_id: uuid(1), epoch: '1' },
    leader_epoch,
    retry: { maxRetries: 3, initialBackoffMs: 60_000, maxBackoffMs: 1_800_000, multiplier: 2 },
    strategyOf: () => 'manual' as const,
    log: { error: note, warn: note, info: note, debug: note },
    nowMs: Date.now,
    random: () => 0,
    checkEpoch: async (epoch: string | undefined) => (epoch === 'restored' ? 'another history' : undefined),
  };
  return pushBatch(deps, uuid(900), changes, ['gzip']);
}
const accepted = (change: PendingChange | undefined, more = '') =>
  `{"change_id":"${change?.change_id}","status":"accepted","cloud_version":1${more}}`;
const conflict = (change: PendingChange | undefined, data: string, more = '') =>
  `{"change_id":"${change?.change_id}","status":"conflict","current":{"cloud_version":2${more},"data":${data}}}`;
const answered = (...results: string[]) => `{"results":[${results.join(',')}]}`;
const statuses = async () =>
  (await stage.shop.sql.query('SELECT status FROM syncd.sync_queue ORDER BY id')).rows.map((row) => row.status);

test('a row with texts that cannot be stored spoils no other; each change has its line in the log', async () => {
  const changes = await waiting(4);
  const body = answered(
    accepted(changes[0]),
    conflict(changes[1], '{"n":"a\\u0000b\\ud800","m":"\\\\u0000 \\ud83d\\ude00"}'),
    accepted(changes[2]),
    conflict(changes[3], '{"n":1.00000000000000000001}'),
  );
  const report = await push(changes, 200, body);
  expect(await statuses()).toEqual(['synced', 'conflict', 'synced', 'conflict']);
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

test('beside a row that cannot be stored, what follows a held change of its own entity is left behind it', async () => {
  const ids = await stage.add({ entity: 'a' }, { entity: 'a' }, { entity: 'b' });
  const { rows } = await stage.shop.sql.query('SELECT id, change_id, entity_id FROM syncd.sync_queue ORDER BY id');
  const changes = rows.map((row) => makeChange(row));
  const [first, second, other] = changes;
  const body = answered(
    `{"change_id":"${first?.change_id}","status":"held","waiting_for":{"entity_type":"customer","entity_id":"7"}}`,
    `{"change_id":"${second?.change_id}","status":"rejected","error":{"code":"unknown","message":"no such order","retryable":true}}`,
    conflict(other, '{"n":"a\\u0000b"}'),
  );
  const report = await push(changes, 200, body);
  expect(report.again.map(({ id }) => id)).toEqual(ids.slice(0, 2));
  expect([...report.held]).toEqual([other?.key]);
  expect(await stage.row(second?.id)).toMatchObject({ status: 'pending', retry_count: 0, next_s: null });
});

test('a conflict whose row has to be made storable is one also where its change was sent alone', async () => {
  const changes = await waiting(1);
  await push(changes, 200, answered(conflict(changes[0], '{"n":"a\\u0000b"}')));
  expect(await statuses()).toEqual(['conflict']);
});

test.each<[string, (changes: PendingChange[], deep: string) => string]>([
  ['a row', (changes, deep) => answered(conflict(changes[0], `{"n":${deep}}`), accepted(changes[1]))],
  ['something beside', (changes, deep) => answered(`{"x":${deep}}`, conflict(changes[0], '{}'), accepted(changes[1]))],
])('%s that is nested beyond any stack holds the conflict, not the batch', async (_title, body) => {
  const changes = await waiting(2);
  await push(changes, 200, body(changes, '['.repeat(100_000) + ']'.repeat(100_000)));
  expect(await statuses()).toEqual(['pending', 'synced']);
  expect(await stage.row(changes[0]?.id)).toMatchObject({ hold_count: 1, retry_count: 0 });
  expect(told).toContainEqual(expect.objectContaining({ fault: expect.stringContaining('cannot be stored') }));
});

test('an instant that only JavaScript takes for one holds that change, not the batch', async () => {
  const changes = await waiting(2);
  await push(changes, 200, answered(conflict(changes[0], '{}', ',"updated_at":"1"'), accepted(changes[1])));
  expect(await statuses()).toEqual(['pending', 'synced']);
  expect(await stage.row(changes[0]?.id)).toMatchObject({ hold_count: 1, retry_count: 0 });
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
  const [change] = await waiting(1);
  const held = { ...(change as PendingChange), holdCount: 1 };
  await push([held], status, body([held]));
  expect(await stage.count('sync_logs')).toBe(1);
});

test('clocks from beyond the range of dates are survived', async () => {
  for (const server_time of ['+275760-09-13T00:00:00Z', '-000001-01-01T00:00:00Z', '9999-12-31T23:59:59Z']) {
    const changes = await waiting(1);
    const body = `{"results":[${accepted(changes[0])}],"server_time":"${server_time}"}`;
    for (let n = 0; n < 3; n++) await push(changes, 200, body);
    expect(await statuses()).toEqual(['synced']);
    await stage.reset();
  }
});

test('once another daemon leads, an answer settles nothing and ends this one', async () => {
  const changes = await waiting(1);
  await stage.lead(2);
  await expect(push(changes, 200, answered(accepted(changes[0])))).rejects.toMatchObject({ code: 'anotherDaemon' });
  expect(await statuses()).toEqual(['pending']);
});

test('an answer from another history of the cloud settles nothing', async () => {
  const changes = await waiting(1);
  const report = await push(changes, 200, `{"results":[${accepted(changes[0])}],"cloud_epoch":"restored"}`);
  expect(report.outcome).toEqual({ kind: 'restored', reason: 'another history' });
  expect(await statuses()).toEqual(['pending']);
  expect(await stage.one('SELECT outcome, error FROM syncd.sync_logs')).toEqual({
    outcome: 'restored',
    error: 'another history',
  });
});

test('results for nobody, twice or broken are told and settle nothing of theirs', async () => {
  const changes = await waiting(3);
  const body = answered(
    accepted(changes[0]),
    accepted(changes[0]),
    accepted(makeChange({ id: '99' })),
    'null',
    accepted(changes[2]),
  );
  await push(changes, 200, body);
  expect(await statuses()).toEqual(['pending', 'pending', 'synced']);
  expect(told.length).toBe(3);
});

test('a hold counts anew where what it waits for was settled since, and spends an attempt where it was not', async () => {
  const [row] = await waiting(1);
  const change = { ...(row as PendingChange), holdCount: 5, retried: true };
  const held = `{"change_id":"${change.change_id}","status":"held","waiting_for":{"entity_type":"order","entity_id":"p"}}`;
  const again = async () => {
    await stage.one('UPDATE syncd.sync_queue SET hold_count = 5, next_attempt_at = clock_timestamp()');
    await push([change], 200, answered(held));
    return stage.row(change.id);
  };
  expect(await again()).toMatchObject({ status: 'pending', hold_count: 6, retry_count: 1 });
  await stage.one(`INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version, last_synced_at)
                   VALUES ('order', 'p', 1, 1, clock_timestamp())`);
  expect(await again()).toMatchObject({ status: 'pending', hold_count: 1 });
});

test('what a correction contains is put off with it: let go, the failed change is followed by all of it in its order', async () => {
  const entity = 'e';
  const ids = await stage.add({ entity, status: 'failed' }, { entity }, { entity });
  const { rows } = await stage.shop.sql.query('SELECT id, change_id, entity_id FROM syncd.sync_queue ORDER BY id');
  const supersedes = rows.slice(0, 2).map(({ id, change_id }) => ({ id, change_id }));
  const correction = makeChange({ ...rows[2], supersedes });
  const busy = `{"change_id":"${correction.change_id}","status":"rejected","error":{"code":"busy","message":"later","retryable":true}}`;
  await push([correction], 200, answered(busy));
  for (const id of ids.slice(1)) expect(await stage.row(id)).toMatchObject({ status: 'pending', next_s: 60 });
  await discardChanges(stage.shop.db, ids.slice(0, 1), 'budi', 'never');
  await stage.one('UPDATE syncd.sync_queue SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL');
  expect((await claimDue(stage.db, 10, 0)).rows.map(({ id }) => id)).toEqual(ids.slice(1, 2));
});

describe('a conflict of a correction', () => {
  const entity = 'e';
  const duplicate = (change: PendingChange | undefined) => accepted(change).replace('accepted', 'duplicate');

  /** A change that failed, a correction of it whose answer was lost, and the correction of both. */
  async function corrections(): Promise<PendingChange[]> {
    await stage.add({ entity, status: 'failed' }, { entity }, { entity });
    const { rows } = await stage.shop.sql.query('SELECT id, change_id, entity_id FROM syncd.sync_queue ORDER BY id');
    const supersedes = rows.slice(0, 2).map(({ id, change_id }) => ({ id, change_id }));
    return rows.map((row, n) => makeChange({ ...row, ...(n === 2 && { supersedes }) }));
  }
  const names = (...changes: (PendingChange | undefined)[]) => changes.map((change) => change?.change_id);

  test('is not judged where something that it contains had arrived: that is settled, and it goes out anew', async () => {
    const [failed, lost, newest] = await corrections();
    afterwards = [[200, answered(duplicate(lost))]];
    const report = await push([newest as PendingChange], 200, answered(conflict(newest, '{}')));
    expect(sent).toEqual([names(newest), names(lost)]);
    expect(await statuses()).toEqual(['synced', 'synced', 'pending']);
    expect(await stage.row(failed?.id)).toMatchObject({ settled_as: 'superseded', superseded_by: lost?.change_id });
    expect([[...report.anew], report.held.size, report.states.get(newest?.key ?? '')?.cloudVersion]).toEqual([
      [newest?.key],
      0,
      1,
    ]);
    expect(await stage.count('sync_conflicts')).toBe(0);
    const { rows } = await stage.shop.sql.query('SELECT change_ids, outcomes FROM syncd.sync_logs ORDER BY id');
    expect(rows.map((row) => [row.change_ids, row.outcomes])).toEqual([
      [names(lost), ['duplicate']],
      [names(newest), ['conflict']],
    ]);
  });

  test('even where that is the failed change itself', async () => {
    const [failed, lost, newest] = await corrections();
    afterwards = [
      [200, answered(conflict(lost, '{}'))],
      [200, answered(duplicate(failed))],
    ];
    await push([newest as PendingChange], 200, answered(conflict(newest, '{}')));
    expect(sent).toEqual([names(newest), names(lost), names(failed)]);
    expect(await statuses()).toEqual(['synced', 'pending', 'pending']);
    expect(await stage.row(failed?.id)).toMatchObject({ settled_as: 'accepted' });
  });

  test('is judged where nothing of that had arrived', async () => {
    const [failed, lost, newest] = await corrections();
    const refused = `{"change_id":"${failed?.change_id}","status":"rejected","error":{"code":"a","message":"b","retryable":false}}`;
    afterwards = [
      [200, answered(conflict(lost, '{}'))],
      [200, answered(refused)],
    ];
    await push([newest as PendingChange], 200, answered(conflict(newest, '{}')));
    expect(await statuses()).toEqual(['failed', 'pending', 'conflict']);
    expect(await stage.one('SELECT queue_id FROM syncd.sync_conflicts')).toEqual({ queue_id: newest?.id });
  });

  test('waits where the cloud does not say whether it has some of that', async () => {
    const [, lost, newest] = await corrections();
    afterwards = [[200, answered(conflict(lost, '{}'))]];
    const held = { ...(newest as PendingChange), holdCount: 1 };
    await push([held], 200, answered(conflict(newest, '{}')));
    expect(await statuses()).toEqual(['failed', 'pending', 'pending']);
    expect(await stage.row(newest?.id)).toMatchObject({ hold_count: 2, retry_count: 0 });
    expect(await stage.count('sync_conflicts')).toBe(0);
  });

  test.each<[string, Partial<PendingChange>]>([
    ['was tried before and is in a correction', { retried: true }],
    ['is folded with newer states', { coalesce: true }],
  ])('is none where what %s goes out alone, and that had arrived unheard', async (_title, given) => {
    const [first, second, lost] = await corrections();
    await stage.one("UPDATE syncd.sync_queue SET status = 'pending', next_attempt_at = now() WHERE status = 'failed'");
    afterwards = [[200, answered(conflict(second, '{}'), duplicate(lost))]];
    const report = await push([{ ...(first as PendingChange), ...given }], 200, answered(conflict(first, '{}')));
    expect(sent).toEqual([names(first), names(second, lost)]);
    expect(await statuses()).toEqual(['synced', 'synced', 'synced']);
    expect(await stage.row(first?.id)).toMatchObject({ settled_as: 'superseded', superseded_by: lost?.change_id });
    expect([[...report.anew], report.held.size]).toEqual([[first?.key], 0]);
    expect(await stage.count('sync_conflicts')).toBe(0);
  });

  test('is judged where a later change is only waiting, and the cloud has it not', async () => {
    const [first, ...later] = await corrections();
    await stage.one("UPDATE syncd.sync_queue SET status = 'pending', next_attempt_at = now() WHERE status = 'failed'");
    afterwards = [[200, answered(...later.map((one) => conflict(one, '{}')))]];
    await push([{ ...(first as PendingChange), retried: true }], 200, answered(conflict(first, '{}')));
    expect(await statuses()).toEqual(['conflict', 'pending', 'pending']);
  });

  test.each([
    ['', '{}'],
    [', beside a row that cannot be stored', '{"n":"a\\u0000b"}'],
  ])(
    'is none where a person let the failed change go again, and the answer says that its correction had arrived%s',
    async (_title, data) => {
      const [failed, lost, other] = await corrections();
      await stage.one(
        "UPDATE syncd.sync_queue SET status = 'pending', next_attempt_at = now() WHERE status = 'failed'",
      );
      const apart = { ...(other as PendingChange), key: 'another', supersedes: [] };
      const all = [{ ...(failed as PendingChange), retried: true }, lost as PendingChange, apart];
      await push(all, 200, answered(conflict(failed, '{}'), duplicate(lost), conflict(apart, data)));
      expect(await statuses()).toEqual(['synced', 'synced', 'conflict']);
      expect(await stage.row(failed?.id)).toMatchObject({ settled_as: 'superseded', superseded_by: lost?.change_id });
      expect(await stage.one('SELECT array_agg(queue_id) AS ids FROM syncd.sync_conflicts')).toEqual({
        ids: [other?.id],
      });
    },
  );
});
