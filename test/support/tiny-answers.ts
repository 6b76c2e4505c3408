/** What a tiny cloud answers with, and how it reads numbers without losing their digits. */
import { type Exact, type ExactObject, readExactly, writeExactly } from '../../src/cloud-check/exact.js';
import type { BrokenRule } from './broken-rules.js';

/** `place`: in the feed. */
export type Entity = { type: string; id: string; version: number; data: ExactObject | null; at: string; place: number };
export type Answer = { status: number; body: Exact };

export function refusal(status: number, code: string, more: ExactObject = {}): Answer {
  return { status, body: { error: { code, message: 'no words for it', ...more } } };
}

export function rejected({ change_id }: ExactObject): Exact {
  return { change_id: change_id ?? '', status: 'rejected', error: { code: 'bad', message: 'bad', retryable: false } };
}

export function changeOf({ type, id, version, data, at }: Entity): ExactObject {
  const operation = data === null ? 'delete' : 'update';
  return { entity_type: type, entity_id: id, operation, cloud_version: exact(version), updated_at: at, data };
}

/** What JavaScript's own reading leaves of it. */
export function roundedBy(row: ExactObject): Exact {
  return readExactly(JSON.stringify(JSON.parse(writeExactly(row)))) as Exact;
}

/** What frameworks do to a row between its arrival and the table. */
export function rewritten(broken: ReadonlySet<BrokenRule>, row: string): string {
  if (broken.has('empty objects become lists')) return row.replaceAll('{}', '[]');
  if (broken.has('texts are trimmed')) return row.replaceAll('"  7 "', '"7"');
  if (broken.has('instants lose their microseconds')) return row.replaceAll(/(\.\d{3})\d{3}(?=\+)/g, '$1');
  return row;
}

export const exact = (value: number): Exact => readExactly(String(value)) as Exact;
export const text = (value: Exact | undefined): string => writeExactly(value ?? null);
export const numberOf = (value: Exact | undefined): number | null =>
  value === null || value === undefined ? null : Number(text(value));
