/**
 * The comparison without rows. The cloud's own list of the type is what the sums are made of, so that earlier runs of the same
 * test outlet do not matter; that the list is right is checked by what this run has pushed.
 */
import { digestOf, list, NOT_OFFERED, TIMEZONE } from '../ask-digest.js';
import { type Chapter, type Check, skipped, verdictOf } from '../check.js';
import type { Exchange } from '../exchange.js';
import { bucketOf } from '../fingerprint.js';
import { type Entities, entitiesIn, mustAgree, mustDiffer, mustList, mustName } from '../judge-digest.js';
import { mustBeAccepted, versionMade } from '../judge-push.js';
import type { Change, TestOutlet } from '../test-outlet.js';

const WHERE = 'POST {base}/sync/digest and …/digest/entities';
const LISTED = {
  where: WHERE,
  says: 'sum: their sum modulo 2^64, as a decimal string. Deleted entities do not count.',
};
const DIGEST = {
  where: WHERE,
  says: `Answer: the buckets that differ, those included that only one side has, with the cloud's figures (0 and "0" where it has none), over what this outlet can see`,
};

const listed: Check = {
  name: 'digest/entities lists the living rows with their versions',
  contract: LISTED,
  async run(outlet) {
    if (!outlet.capabilities.digest) return skipped(NOT_OFFERED);
    const create = outlet.change('create', outlet.freshId(), null);
    const doomed = outlet.change('create', outlet.freshId(), null);
    const remove = outlet.change('delete', doomed.entity_id, null, { after: doomed.change_id });
    const pushed = await outlet.push([create, doomed, remove]);
    const asked = await list(outlet, '*', null);
    return verdictOf([
      mustBeAccepted(pushed, create, 'the create'),
      mustBeAccepted(pushed, remove, 'the delete'),
      mustList(asked),
      mustName(asked, create.entity_id, versionMade(pushed, create), 'the created row'),
      mustName(asked, doomed.entity_id, null, 'the deleted row'),
    ]);
  },
};

/** Of 2^63 at least: a signed integer of 64 bits would show it as a negative one. */
function idForALargeSum(outlet: TestOutlet, before: Entities): string {
  for (;;) {
    const id = outlet.freshId();
    if (BigInt(bucketOf('*', [...before, [id, 1]]).sum) >= 2n ** 63n) return id;
  }
}

const sums: Check = {
  name: 'a right digest differs in nothing; wrong or missing buckets are named',
  contract: DIGEST,
  async run(outlet) {
    if (!outlet.capabilities.digest) return skipped(NOT_OFFERED);
    const before = entitiesIn(await list(outlet, '*', null)) ?? [];
    const create = outlet.change('create', idForALargeSum(outlet, before), null);
    const pushed = await outlet.push([create]);
    const asked = await list(outlet, '*', null);
    const right = bucketOf('*', entitiesIn(asked) ?? []);
    const wrong = { ...right, sum: String(BigInt.asUintN(64, BigInt(right.sum) + 1n)) };
    return verdictOf([
      mustBeAccepted(pushed, create, 'the create'),
      mustList(asked),
      mustAgree(await digestOf(outlet, null, [right])),
      mustDiffer(await digestOf(outlet, null, [wrong]), 'a digest whose sum is one too high', right),
      mustDiffer(await digestOf(outlet, null, []), 'a digest without the bucket', right),
    ]);
  },
};

const days: Check = {
  name: 'with a date_field a row belongs to its day in the timezone',
  contract: {
    where: WHERE,
    says: "bucket: the day of date_field in the row's data, as it is in timezone",
  },
  async run(outlet) {
    if (!outlet.capabilities.digest) return skipped(NOT_OFFERED);
    if (!outlet.options.row.own) return skipped('nothing is added to a row of --data');
    const id = outlet.freshId();
    const data = outlet.options.row.text(id, { sold_at: '"2026-11-22T18:30:00+00:00"' });
    const create = outlet.change('create', id, null, { data });
    const pushed = await outlet.push([create]);
    const [there, before] = [await list(outlet, '2026-11-23', 'sold_at'), await list(outlet, '2026-11-22', 'sold_at')];
    const nobodys = await digestOf(outlet, 'sold_at', [{ bucket: '1999-01-01', count: 1, sum: '1' }]);
    const what = `a row sold on 2026-11-22 at 18:30 UTC, which is the 23rd in ${TIMEZONE},`;
    return verdictOf([
      mustBeAccepted(pushed, create, 'the create'),
      mustList(there),
      mustName(there, id, versionMade(pushed, create), `in bucket 2026-11-23 ${what}`),
      mustList(before),
      mustName(before, id, null, `in bucket 2026-11-22 ${what}`),
      mustDiffer(nobodys, 'a day that only the outlet has', { bucket: '1999-01-01', count: 0, sum: '0' }),
    ]);
  },
};

const dayless: Check = {
  name: 'a time without an offset counts as it is written, a row without one in *',
  contract: {
    where: WHERE,
    says: 'a date or a timestamp without an offset counts as it is written. Where there is none that can be written as YYYY-MM-DD: *.',
  },
  async run(outlet) {
    if (!outlet.capabilities.digest) return skipped(NOT_OFFERED);
    if (!outlet.options.row.own) return skipped('nothing is added to a row of --data');
    const { row } = outlet.options;
    const [local, plain, none, never] = ['"2026-11-21T23:30:00"', '"2026-11-21"', 'null', '"infinity"'].map(
      (sold_at) => {
        const id = outlet.freshId();
        return outlet.change('create', id, null, { data: row.text(id, { sold_at }) });
      },
    ) as [Change, Change, Change, Change];
    const pushed = await outlet.push([local, plain, none, never]);
    const [day, rest] = [await list(outlet, '2026-11-21', 'sold_at'), await list(outlet, '*', 'sold_at')];
    const named = (asked: Exchange, change: Change, what: string) =>
      mustName(asked, change.entity_id, versionMade(pushed, change), what);
    return verdictOf([
      ...[local, plain, none, never].map((change) => mustBeAccepted(pushed, change, 'one of four creates')),
      mustList(day),
      named(day, local, 'in bucket 2026-11-21 a row sold on 2026-11-21T23:30:00, without an offset,'),
      named(day, plain, 'in bucket 2026-11-21 a row sold on 2026-11-21'),
      mustList(rest),
      named(rest, none, 'in bucket * a row whose date is null'),
      named(rest, never, 'in bucket * a row whose date is "infinity"'),
    ]);
  },
};

export const digest: Chapter = { title: 'Digest', needsRows: true, checks: [listed, sums, days, dayless] };
