/**
 * From raw bytes to a well-formed question about what the cloud holds. Holds no state. Unknown fields are ignored.
 */
import type { DigestEntitiesRequest, DigestRequest, WireBucket } from '../../cloud/wire.js';
import { isTimezone, WITHOUT_DAY } from './day.js';
import {
  type Fields,
  field,
  isFields,
  jsonOf,
  list,
  malformed,
  missing,
  name,
  text,
  uniqueMembers,
  whole,
} from './fields.js';
import { elementsOf } from './text.js';

const DAY = /^\d{4}-\d\d-\d\d$/;
const DIGITS = /^(0|[1-9]\d{0,19})$/;
const MODULUS = 2n ** 64n;

const bucket = (value: unknown): value is string => text(value) && (value === WITHOUT_DAY || DAY.test(value));
const sum = (value: unknown): value is string => text(value) && DIGITS.test(value) && BigInt(value) < MODULUS;
const timezone = (value: unknown): value is string => text(value) && isTimezone(value);
const column = (value: unknown): value is string | null => value === null || name(value);

/** The days may be left out where a digest went before. */
export type EntitiesQuestion = Pick<DigestEntitiesRequest, 'entity_type' | 'bucket'> &
  Partial<Pick<DigestEntitiesRequest, 'date_field' | 'timezone'>>;

/** @throws Refusal 400 where a field has no meaning, or a bucket stands twice. */
export function parseDigest(bytes: Buffer): DigestRequest {
  const body = jsonOf(bytes);
  refuseDoubledNames(bytes);
  const seen = new Set<string>();
  return {
    entity_type: field(body, '', 'entity_type', 'a name', name),
    date_field: field(body, '', 'date_field', "a column's name or null", column),
    timezone: field(body, '', 'timezone', "a timezone's name", timezone),
    buckets: field(body, '', 'buckets', 'a list', list).map((item, index) => {
      const at = `buckets[${index}].`;
      if (!isFields(item)) throw malformed(`buckets[${index}] must be an object`);
      const found = bucketFrom(item, at);
      if (seen.has(found.bucket)) throw malformed(`${at}bucket stands twice in the list`);
      seen.add(found.bucket);
      return found;
    }),
  };
}

/** @throws Refusal 400 where a field has no meaning. */
export function parseDigestEntities(bytes: Buffer): EntitiesQuestion {
  const body = jsonOf(bytes);
  refuseDoubledNames(bytes);
  return {
    entity_type: field(body, '', 'entity_type', 'a name', name),
    bucket: field(body, '', 'bucket', 'a day, YYYY-MM-DD, or *', bucket),
    ...(body.date_field === undefined
      ? {}
      : { date_field: field(body, '', 'date_field', "a column's name or null", column) }),
    ...(missing(body.timezone) ? {} : { timezone: field(body, '', 'timezone', "a timezone's name", timezone) }),
  };
}

function bucketFrom(item: Fields, at: string): WireBucket {
  return {
    bucket: field(item, at, 'bucket', 'a day, YYYY-MM-DD, or *', bucket),
    count: field(item, at, 'count', 'an integer from 0', whole),
    sum: field(item, at, 'sum', 'a string of digits below 2^64', sum),
  };
}

function refuseDoubledNames(bytes: Buffer): void {
  const scan = bytes.toString('latin1');
  for (const { name: member, start } of uniqueMembers(scan, 0, '')) {
    if (member !== 'buckets' || scan[start] !== '[') continue;
    let index = 0;
    for (const element of elementsOf(scan, start)) {
      if (scan[element.start] === '{') for (const _ of uniqueMembers(scan, element.start, `buckets[${index}].`));
      index++;
    }
  }
}
