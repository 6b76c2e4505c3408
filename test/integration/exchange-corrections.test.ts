/** What becomes of a correction, and of all that it contains, when the cloud refuses it or finds it in conflict; and of what it holds. */
import type { PendingChange } from '../../src/push/backlog.js';
import { claimDue } from '../../src/queue/claim-special.js';
import { discardChanges } from '../../src/queue/manage.js';
import { movedSinceHeld } from '../../src/queue/moved.js';
import { settle } from '../../src/queue/settle.js';
import { makeChange, uuid } from '../support/changes.js';
import { accepted, answered, conflict, ExchangeStage } from '../support/exchange-stage.js';
import type { SettleStage } from '../support/settle-stage.js';
import { makeSettlement, stateOf } from '../support/settlement.js';

let exchange: ExchangeStage;
let stage: SettleStage;
beforeAll(async () => {
  exchange = await ExchangeStage.open();
  stage = exchange.settled;
});
afterAll(() => exchange?.close());
beforeEach(() => exchange.reset());

test('what a correction contains is put off with it: let go, the failed change is followed by all of it in its order', async () => {
  const entity = 'e';
  const ids = await stage.add({ entity, status: 'failed' }, { entity }, { entity, nextMs: 600_000 }, { entity });
  const { rows } = await stage.shop.sql.query('SELECT id, change_id, entity_id FROM syncd.sync_queue ORDER BY id');
  const supersedes = rows.slice(0, 3).map(({ id, change_id }) => ({ id, change_id }));
  const correction = makeChange({ ...rows[3], supersedes });
  const busy = `{"change_id":"${correction.change_id}","status":"rejected","error":{"code":"busy","message":"later","retryable":true}}`;
  await exchange.push([correction], 200, answered(busy));
  for (const [n, next_s] of [60, 600, 60].entries())
    expect(await stage.row(ids[n + 1])).toMatchObject({ status: 'pending', next_s });
  await discardChanges(stage.shop.db, ids.slice(0, 1), 'budi', 'never');
  await stage.one('UPDATE syncd.sync_queue SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL');
  expect((await claimDue(stage.db, 10, 0)).rows.map(({ id }) => id)).toEqual(ids.slice(1, 2));
});

test('of what waits behind a change that is given up all but the newest counts as tried before, and the next names it', async () => {
  const entity = 'e';
  const ids = await stage.add({ entity }, { entity, nextMs: 60_000 }, { entity }, { entity });
  const { change_id } = await stage.one(
    'UPDATE syncd.sync_queue SET supersedes = ARRAY[$2::uuid] WHERE id = $1 RETURNING change_id',
    [ids[1], uuid(7)],
  );
  await discardChanges(stage.shop.db, ids.slice(1, 2), 'budi', 'never');
  const { rows } = await stage.shop.sql.query(
    "SELECT supersedes, next_attempt_at IS NOT NULL AS tried FROM syncd.sync_queue WHERE status = 'pending' ORDER BY id",
  );
  expect(rows).toEqual([
    { supersedes: null, tried: true },
    { supersedes: [change_id, uuid(7)], tried: true },
    { supersedes: null, tried: false },
  ]);
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

  test('is none beside a row that cannot be stored either, where something that it contains had arrived', async () => {
    const [, lost, newest] = await corrections();
    await stage.add({ entity: 'other' });
    const other = makeChange(await stage.one('SELECT id, change_id, entity_id FROM syncd.sync_queue ORDER BY id DESC'));
    exchange.afterwards = [[200, answered(duplicate(lost))]];
    const body = answered(conflict(newest, '{}'), conflict(other, '{"n":"a\\u0000b"}'));
    const report = await exchange.push([newest as PendingChange, other], 200, body);
    expect([[...report.anew], [...report.held]]).toEqual([[newest?.key], [other.key]]);
  });

  test('is not judged where something that it contains had arrived: that is settled, and it goes out anew', async () => {
    const [failed, lost, newest] = await corrections();
    exchange.afterwards = [[200, answered(duplicate(lost))]];
    const report = await exchange.push([newest as PendingChange], 200, answered(conflict(newest, '{}')));
    expect(exchange.sent).toEqual([names(newest), names(lost)]);
    expect(await exchange.statuses()).toEqual(['synced', 'synced', 'pending']);
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
    exchange.afterwards = [
      [200, answered(conflict(lost, '{}'))],
      [200, answered(duplicate(failed))],
    ];
    await exchange.push([newest as PendingChange], 200, answered(conflict(newest, '{}')));
    expect(exchange.sent).toEqual([names(newest), names(lost), names(failed)]);
    expect(await exchange.statuses()).toEqual(['synced', 'pending', 'pending']);
    expect(await stage.row(failed?.id)).toMatchObject({ settled_as: 'accepted' });
  });

  test.each([200, 413])('is judged where nothing of that had arrived: %i', async (status) => {
    const [failed, lost, newest] = await corrections();
    const refused = `{"change_id":"${failed?.change_id}","status":"rejected","error":{"code":"a","message":"b","retryable":false}}`;
    exchange.afterwards = [
      [200, answered(conflict(lost, '{}'))],
      [status, answered(refused)],
    ];
    await exchange.push([newest as PendingChange], 200, answered(conflict(newest, '{}')));
    expect(await exchange.statuses()).toEqual(['failed', 'pending', 'conflict']);
    expect(await stage.one('SELECT queue_id FROM syncd.sync_conflicts')).toEqual({ queue_id: newest?.id });
  });

  test.each([
    ['one', 0],
    ['the other', 1],
  ])('waits where the cloud does not say of %s of them whether it has that', async (_which, silent) => {
    const [failed, lost, newest] = await corrections();
    const judged = [lost, failed].map((one, n) => (n === silent ? answered() : answered(conflict(one, '{}'))));
    exchange.afterwards = judged.map((body) => [200, body]);
    const held = { ...(newest as PendingChange), holdCount: 1 };
    await exchange.push([held], 200, answered(conflict(newest, '{}')));
    expect(await exchange.statuses()).toEqual(['failed', 'pending', 'pending']);
    expect(await stage.row(newest?.id)).toMatchObject({ hold_count: 2, retry_count: 0 });
    expect(await stage.count('sync_conflicts')).toBe(0);
  });

  test.each<[string, Partial<PendingChange>, string]>([
    ['was tried before and is in a correction', { retried: true }, "status = 'failed'"],
    ['was tried before and is in one that was put off', { retried: true }, 'true'],
    ['is folded with newer states', { coalesce: true }, "status = 'failed'"],
  ])('is none where what %s goes out alone, and that had arrived unheard', async (_title, given, waits) => {
    const [first, second, lost] = await corrections();
    await stage.one(`UPDATE syncd.sync_queue SET status = 'pending', next_attempt_at = now() WHERE ${waits}`);
    exchange.afterwards = [[200, answered(conflict(second, '{}'), duplicate(lost))]];
    const report = await exchange.push(
      [{ ...(first as PendingChange), ...given }],
      200,
      answered(conflict(first, '{}')),
    );
    expect(exchange.sent).toEqual([names(first), names(second, lost)]);
    expect(await exchange.statuses()).toEqual(['synced', 'synced', 'synced']);
    expect(await stage.row(first?.id)).toMatchObject({ settled_as: 'superseded', superseded_by: lost?.change_id });
    expect([[...report.anew], report.held.size]).toEqual([[first?.key], 0]);
    expect(await stage.count('sync_conflicts')).toBe(0);
  });

  test('is judged where a later change is only waiting, and the cloud has it not', async () => {
    const [first, ...later] = await corrections();
    await stage.one("UPDATE syncd.sync_queue SET status = 'pending', next_attempt_at = now() WHERE status = 'failed'");
    exchange.afterwards = [[200, answered(...later.map((one) => conflict(one, '{}')))]];
    await exchange.push([{ ...(first as PendingChange), retried: true }], 200, answered(conflict(first, '{}')));
    expect(await exchange.statuses()).toEqual(['conflict', 'pending', 'pending']);
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
      await exchange.push(all, 200, answered(conflict(failed, '{}'), duplicate(lost), conflict(apart, data)));
      expect(await exchange.statuses()).toEqual(['synced', 'synced', 'conflict']);
      expect(await stage.row(failed?.id)).toMatchObject({ settled_as: 'superseded', superseded_by: lost?.change_id });
      expect(await stage.one('SELECT array_agg(queue_id) AS ids FROM syncd.sync_conflicts')).toEqual({
        ids: [other?.id],
      });
    },
  );
});

test('a held change has moved when what it waits for was settled after its last hold; a deletion, when that is gone', async () => {
  const [next, operation] = [{ nextMs: 2_000 }, 'delete' as const];
  const given = [
    { entity: 'a', ...next },
    { entity: 'b', ...next },
    { entity: 'c' },
    { entity: 'd', operation, ...next },
  ];
  const ids = await stage.add(...given);
  const parentAt = (version: number, deleted = false) =>
    settle(stage.db, makeSettlement({ states: stateOf('parent', version, { deleted }) }));
  const ask = (delay: number) =>
    movedSinceHeld(stage.db, {
      ids,
      entity_types: ids.map(() => 'order'),
      entity_ids: ['parent', 'unknown', 'parent', 'parent'],
      delays_ms: ids.map(() => delay),
    });
  await parentAt(1);
  expect(await ask(60_000)).toEqual(new Set([ids[0]]));
  expect(await ask(-60_000)).toEqual(new Set());
  await parentAt(2, true);
  expect(await ask(60_000)).toEqual(new Set([ids[0], ids[3]]));
});
