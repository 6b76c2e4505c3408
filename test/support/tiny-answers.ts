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

/** What a database with such a collation, or such a column, takes for the same. */
export function keyOf(broken: ReadonlySet<BrokenRule>, type: Exact | undefined, id: Exact | undefined): string {
  const cut = broken.has('ids are cut at 255') ? String(id).slice(0, 255) : String(id);
  return JSON.stringify([type, broken.has('ids have no case') ? cut.toLowerCase() : cut]);
}

/** Where a seq is remembered. */
export function seqOf(broken: ReadonlySet<BrokenRule>, seq: Exact | undefined): string {
  return broken.has('seqs are floats') ? String(Number(seq)) : String(seq);
}

/** An edit of more than a month ago. */
export function isOld({ changed_at }: ExactObject): boolean {
  return Date.now() - Date.parse(String(changed_at)) > 30 * 86_400_000;
}

/** The bucket of a row in a digest. */
export function dayOf(
  broken: ReadonlySet<BrokenRule>,
  { date_field, timezone }: ExactObject,
  data: ExactObject | null,
): string {
  if (date_field === null || date_field === undefined) return '*';
  const value = data?.[date_field as string];
  const nowhere = broken.has('rows without a day are nowhere') ? 'nowhere' : '*';
  if (typeof value !== 'string' || !/^\d{4}-/.test(value)) return nowhere;
  const written = !/[Z+]/.test(value) && !broken.has('days without an offset are those of UTC');
  if (written) return value.slice(0, 10);
  const timeZone = broken.has('days are those of UTC') ? 'UTC' : (timezone as string);
  return new Date(/[Z+]/.test(value) || value.length === 10 ? value : `${value}Z`).toLocaleDateString('sv-SE', {
    timeZone,
  });
}

/** What JavaScript's own reading leaves of it. */
export function roundedBy(row: ExactObject): Exact {
  return readExactly(JSON.stringify(JSON.parse(writeExactly(row)))) as Exact;
}

/** What frameworks do to a row between its arrival and the table. */
export function rewritten(broken: ReadonlySet<BrokenRule>, row: string): string {
  if (broken.has('empty objects become lists')) return row.replaceAll('{}', '[]');
  if (broken.has('texts are trimmed')) return row.replaceAll('"  7 "', '"7"');
  if (broken.has('columns have no capitals')) return row.replaceAll('"TaxRate"', '"taxRate"');
  if (broken.has('texts are cut at 64 KiB')) return row.replaceAll(/"[^"]{65536,}"/g, '"cut"');
  if (broken.has('instants lose their microseconds')) return row.replaceAll(/(\.\d{3})\d{3}(?=\+)/g, '$1');
  return row;
}

export const exact = (value: number): Exact => readExactly(String(value)) as Exact;
export const text = (value: Exact | undefined): string => writeExactly(value ?? null);
export const numberOf = (value: Exact | undefined): number | null =>
  value === null || value === undefined ? null : Number(text(value));
