/**
 * From raw bytes to a well-formed push: UTF-8, JSON, every field's type, and what the contract asks of a batch by itself.
 * Holds no state; what depends on what the cloud has is decided later. Unknown fields are ignored.
 */
import type { Operation } from '../../cloud/wire.js';
import {
  type Fields,
  field,
  jsonOf,
  list,
  malformed,
  missing,
  name,
  or,
  text,
  uniqueMembers,
  whole,
} from './fields.js';
import type { PushedBatch, PushedChange } from './records.js';
import { Refusal } from './refusal.js';
import { elementsOf } from './text.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const DIGITS = /^[0-9]{1,20}$/;
const INSTANT = /^\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)$/;
const senseless = (what: string) => new Refusal(422, 'invalid', what);

const uuid = (value: unknown): value is string => text(value) && UUID.test(value);
const digits = (value: unknown): value is string => text(value) && DIGITS.test(value);
const instant = (value: unknown): value is string => text(value) && INSTANT.test(value);
const counter = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;
const operation = (value: unknown): value is Operation =>
  value === 'create' || value === 'update' || value === 'delete';
const uuids = (value: unknown): value is string[] => Array.isArray(value) && value.every(uuid);
const texts = (value: unknown): value is string[] => Array.isArray(value) && value.every(text);

function changeFrom(fields: Fields, data: string | null, at: string): PushedChange {
  const after = field(fields, at, 'after', 'a uuid', or(uuid));
  const supersedes = field(fields, at, 'supersedes', 'a list of uuids', or(uuids));
  const changed = field(fields, at, 'changed_fields', 'a list of names', or(texts));
  const change: PushedChange = {
    change_id: field(fields, at, 'change_id', 'a uuid', uuid),
    seq: field(fields, at, 'seq', 'a string of digits', digits),
    tx: field(fields, at, 'tx', 'a string of digits', digits),
    entity_type: field(fields, at, 'entity_type', 'a name', name),
    entity_id: field(fields, at, 'entity_id', 'a string', text),
    cloud_id: field(fields, at, 'cloud_id', 'a string', or(text)) ?? null,
    operation: field(fields, at, 'operation', 'create, update or delete', operation),
    version: field(fields, at, 'version', 'an integer from 1', counter),
    base_cloud_version: field(fields, at, 'base_cloud_version', 'an integer or null', or(whole)) ?? null,
    changed_at: field(fields, at, 'changed_at', 'an RFC 3339 instant in UTC', instant),
    ...(missing(after) ? {} : { after }),
    ...(missing(supersedes) ? {} : { supersedes }),
    ...(missing(changed) ? {} : { changed_fields: changed }),
    data,
  };
  if (change.after === change.change_id || change.supersedes?.includes(change.change_id)) {
    throw senseless(`${at}change_id: a change cannot build on itself`);
  }
  return change;
}

/** The text of `data` in each change, by place. The scan runs over bytes as Latin-1, so places are byte offsets. */
function dataOf(bytes: Buffer): (string | undefined)[] {
  const scan = bytes.toString('latin1');
  const found: (string | undefined)[] = [];
  for (const member of uniqueMembers(scan, 0, '')) {
    if (member.name !== 'changes') continue;
    for (const element of elementsOf(scan, member.start)) {
      let data: string | undefined;
      if (scan[element.start] === '{') {
        for (const inner of uniqueMembers(scan, element.start, `changes[${found.length}].`)) {
          if (inner.name === 'data') data = bytes.toString('utf8', inner.start, inner.end);
        }
      }
      found.push(data);
    }
  }
  return found;
}

function rowOf(change: Fields, text: string | undefined, at: string): string | null {
  const row = change.data;
  if (text === undefined) throw malformed(`${at}data is missing`);
  if (change.operation === 'delete') {
    if (row !== null) throw senseless(`${at}data must be null on a delete`);
    return null;
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) throw senseless(`${at}data must be the whole row`);
  return text;
}

/**
 * @param maxChanges above it the answer is 413.
 * @throws Refusal 400 where a field has no meaning, 422 where the batch as a whole makes no sense.
 */
export function parsePush(bytes: Buffer, maxChanges: number): PushedBatch {
  const body = jsonOf(bytes);
  const items = field(body, '', 'changes', 'a list', list);
  if (items.length > maxChanges) throw new Refusal(413, 'too_large', `the batch has more than ${maxChanges} changes`);
  if (items.length === 0) throw senseless('changes is empty');
  const rows = dataOf(bytes);
  const seen = new Set<string>();
  let last = -1n;
  const changes = items.map((item, index) => {
    const at = `changes[${index}].`;
    if (typeof item !== 'object' || item === null) throw malformed(`changes[${index}] must be an object`);
    const change = changeFrom(item as Fields, rowOf(item as Fields, rows[index], at), at);
    if (seen.has(change.change_id)) throw senseless(`${at}change_id stands twice in the batch`);
    seen.add(change.change_id);
    const seq = BigInt(change.seq);
    if (seq <= last) throw senseless(`${at}seq must be above the one before it`);
    last = seq;
    return change;
  });
  return {
    batch_id: field(body, '', 'batch_id', 'a uuid', uuid),
    outlet_id: field(body, '', 'outlet_id', 'a name', name),
    install_id: field(body, '', 'install_id', 'a uuid', uuid),
    epoch: field(body, '', 'epoch', 'an integer from 1', counter),
    sent_at: field(body, '', 'sent_at', 'an RFC 3339 instant in UTC', instant),
    changes,
  };
}
