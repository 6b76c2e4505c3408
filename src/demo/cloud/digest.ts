/**
 * POST /sync/digest and /sync/digest/entities: proves to an outlet that both sides hold the same, or shows the days in which
 * they do not. Looks only, but for the memory of how the outlet's days were made, which a restart forgets.
 */
import { createHash } from 'node:crypto';
import type { DigestAnswer, DigestEntitiesAnswer, WireBucket } from '../../cloud/wire.js';
import { type Days, dayOf, WITHOUT_DAY } from './day.js';
import { type EntitiesQuestion, parseDigest, parseDigestEntities } from './digest-request.js';
import type { Answer, Cloud, Exchange } from './exchange.js';
import { json } from './exchange.js';
import { malformed } from './fields.js';
import { readBody } from './line.js';
import type { EntityRecord } from './records.js';

export async function digest(exchange: Exchange, outletId: string): Promise<Answer> {
  const { cloud } = exchange;
  const { entity_type, date_field, timezone, buckets } = parseDigest(await readBody(exchange));
  const days = { date_field, timezone };
  cloud.digests.set(nameOf(outletId, entity_type), days);
  const there = new Map(buckets.map((one) => [one.bucket, one]));
  const here = bucketsOf(cloud, outletId, entity_type, days);
  for (const bucket of there.keys()) if (!here.has(bucket)) here.set(bucket, { bucket, count: 0, sum: '0' });
  const differ = [...here.values()]
    .filter(({ bucket, count, sum }) => {
      const told = there.get(bucket);
      return told?.count !== count || told.sum !== sum;
    })
    .sort((one, other) => (one.bucket < other.bucket ? -1 : 1));
  return json(200, { differ, cloud_epoch: exchange.cloudEpoch } satisfies DigestAnswer);
}

export async function digestEntities(exchange: Exchange, outletId: string): Promise<Answer> {
  const { cloud } = exchange;
  const question = parseDigestEntities(await readBody(exchange));
  const days = daysFor(question, cloud.digests.get(nameOf(outletId, question.entity_type)));
  const entities = living(cloud, outletId, question.entity_type, days)
    .filter(({ day }) => day === question.bucket)
    .map(({ entity_id, cloud_version }): [string, number] => [entity_id, cloud_version]);
  return json(200, { entities, cloud_epoch: exchange.cloudEpoch } satisfies DigestEntitiesAnswer);
}

/** What the question leaves out is as in the digest before it; where there was none, no row has a day. */
function daysFor({ date_field, timezone }: EntitiesQuestion, last: Days | undefined): Days {
  const column = date_field === undefined ? (last?.date_field ?? null) : date_field;
  const zone = timezone ?? last?.timezone;
  if (column === null) return { date_field: null, timezone: 'UTC' };
  if (zone === undefined) throw malformed('timezone must be given with date_field');
  return { date_field: column, timezone: zone };
}

function bucketsOf(cloud: Cloud, outletId: string, type: string, days: Days): Map<string, WireBucket> {
  const sums = new Map<string, { count: number; sum: bigint }>();
  for (const { day, entity_id, cloud_version } of living(cloud, outletId, type, days)) {
    const { count, sum } = sums.get(day) ?? { count: 0, sum: 0n };
    sums.set(day, { count: count + 1, sum: BigInt.asUintN(64, sum + fingerprint(entity_id, cloud_version)) });
  }
  return new Map([...sums].map(([bucket, { count, sum }]) => [bucket, { bucket, count, sum: String(sum) }]));
}

/** The first 16 hex digits of the hash, as one unsigned number. */
function fingerprint(entityId: string, cloudVersion: number): bigint {
  return createHash('md5').update(`${entityId}|${cloudVersion}`).digest().readBigUInt64BE();
}

function living(cloud: Cloud, outletId: string, type: string, days: Days): (EntityRecord & { day: string })[] {
  return cloud.state
    .entities(outletId)
    .filter((one) => one.entity_type === type && !one.deleted)
    .map((one) => ({ ...one, day: one.data === null ? WITHOUT_DAY : dayOf(one.data, days) }));
}

function nameOf(outletId: string, type: string): string {
  return `${outletId}\u0000${type}`;
}
