/**
 * The comparison without rows. The cloud's own list of the type is what the sums are made of, so that earlier runs of the same
 * test outlet do not matter; that the list is right is checked by what this run has pushed.
 */
import { parseObject } from '../../cloud/reply.js';
import type { WireBucket } from '../../cloud/wire.js';
import {
  answerWords,
  broken,
  type Chapter,
  type Check,
  type Exchange,
  type Fault,
  skipped,
  verdictOf,
} from '../check.js';
import { bucketOf } from '../fingerprint.js';
import { mustBeAccepted, versionMade } from '../judge-push.js';
import type { TestOutlet } from '../test-outlet.js';

type Entities = [entity_id: string, cloud_version: number][];

const NOT_OFFERED = 'capabilities does not list digest';
const TIMEZONE = 'Asia/Jakarta';
const DIGEST = {
  where: 'POST {base}/sync/digest',
  says: 'The answer names the buckets that differ, and those that the outlet left out, with count and sum of the cloud.',
};
const LISTED = {
  where: 'POST {base}/sync/digest/entities',
  says: 'Id and version of every living entity of the bucket; deleted entities do not count.',
};

const list = (outlet: TestOutlet, bucket: string, date_field: string | null): Promise<Exchange> =>
  outlet.post('/sync/digest/entities', { entity_type: outlet.options.type, bucket, date_field, timezone: TIMEZONE });

const digestOf = (outlet: TestOutlet, buckets: WireBucket[]): Promise<Exchange> =>
  outlet.post('/sync/digest', { entity_type: outlet.options.type, date_field: null, timezone: TIMEZONE, buckets });

function entitiesIn({ reply }: Exchange): Entities | undefined {
  const given = reply.kind === 'answer' && reply.status === 200 ? parseObject(reply.body)?.entities : undefined;
  const good = (one: unknown) => Array.isArray(one) && typeof one[0] === 'string' && Number.isSafeInteger(one[1]);
  return Array.isArray(given) && given.every(good) ? (given as Entities) : undefined;
}

function mustList(exchange: Exchange): Fault | undefined {
  if (entitiesIn(exchange)) return undefined;
  const why = `${answerWords(exchange)} without {"entities":[["<entity_id>",<cloud_version>],…]}`;
  return broken(why, exchange);
}

function mustName(exchange: Exchange, id: string, version: number | null, what: string): Fault | undefined {
  const found = entitiesIn(exchange)?.find(([name]) => name === id)?.[1] ?? null;
  if (found === version) return undefined;
  const words = found === null ? 'is not listed' : `is listed with version ${found}`;
  return broken(
    `${what} ${words}; ${version === null ? 'it must not be listed' : `it has version ${version}`}`,
    exchange,
  );
}

/** @param wanted the bucket that has to be named as the cloud has it; undefined: none may be */
function mustDiffer(exchange: Exchange, what: string, wanted: WireBucket | undefined): Fault | undefined {
  const { reply } = exchange;
  const differ = reply.kind === 'answer' && reply.status === 200 ? parseObject(reply.body)?.differ : undefined;
  if (!Array.isArray(differ)) return broken(`${answerWords(exchange)} without a list "differ"`, exchange);
  const named = differ.find((one) => one?.bucket === '*');
  if (wanted === undefined)
    return named
      ? broken(`${what}: the bucket is named as different, though count and sum are right`, exchange)
      : undefined;
  if (!named) return broken(`${what}: the bucket "*" is not named`, exchange);
  const right = named.count === wanted.count && named.sum === wanted.sum;
  const said = `count ${named.count} and sum ${JSON.stringify(named.sum)}`;
  const why = `${what}: the bucket has ${said}; by the cloud's own list it is count ${wanted.count}, sum "${wanted.sum}"`;
  return right ? undefined : broken(why, exchange);
}

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

const sums: Check = {
  name: 'a right digest differs in nothing; wrong or missing buckets are named',
  contract: DIGEST,
  async run(outlet) {
    if (!outlet.capabilities.digest) return skipped(NOT_OFFERED);
    const create = outlet.change('create', outlet.freshId(), null);
    const pushed = await outlet.push([create]);
    const asked = await list(outlet, '*', null);
    const right = bucketOf('*', entitiesIn(asked) ?? []);
    const wrong = { ...right, sum: String(BigInt.asUintN(64, BigInt(right.sum) + 1n)) };
    return verdictOf([
      mustBeAccepted(pushed, create, 'the create'),
      mustList(asked),
      mustDiffer(await digestOf(outlet, [right]), 'a right digest', undefined),
      mustDiffer(await digestOf(outlet, [wrong]), 'a digest whose sum is one too high', right),
      mustDiffer(await digestOf(outlet, []), 'a digest without the bucket', right),
    ]);
  },
};

const days: Check = {
  name: 'with a date_field a row belongs to its day in the timezone',
  contract: {
    where: 'POST {base}/sync/digest',
    says: 'A bucket is the day of date_field in timezone, or * where the type has no date column.',
  },
  async run(outlet) {
    if (!outlet.capabilities.digest) return skipped(NOT_OFFERED);
    if (!outlet.options.row.own) return skipped('nothing is added to a row of --data');
    const id = outlet.freshId();
    const data = outlet.options.row.text(id, { sold_at: '"2026-11-22T18:30:00+00:00"' });
    const create = outlet.change('create', id, null, { data });
    const pushed = await outlet.push([create]);
    const [there, before] = [await list(outlet, '2026-11-23', 'sold_at'), await list(outlet, '2026-11-22', 'sold_at')];
    const what = `a row sold on 2026-11-22 at 18:30 UTC, which is the 23rd in ${TIMEZONE},`;
    return verdictOf([
      mustBeAccepted(pushed, create, 'the create'),
      mustList(there),
      mustName(there, id, versionMade(pushed, create), `in bucket 2026-11-23 ${what}`),
      mustList(before),
      mustName(before, id, null, `in bucket 2026-11-22 ${what}`),
    ]);
  },
};

export const digest: Chapter = { title: 'Digest', needsRows: true, checks: [listed, sums, days] };
