/**
 * Reads one incoming change from its spans. Pure. The row stays the text that the cloud wrote. Whatever is wrong with one change
 * becomes its `fault`: it is stored parked, with the reason, and spoils none of its neighbours. Nothing that leaves here can
 * make the insert fail.
 */
import { isInstant } from '../cloud/instant.js';
import type { Operation } from '../cloud/wire.js';
import { rawText, type Span, stringIn } from './span.js';

export type IncomingChange = {
  entity_type: string;
  entity_id: string;
  cloud_id: string | null;
  /** `hint`: the cloud says only that something happened; the entity has to be fetched. */
  operation: Operation | 'hint';
  /** Decimal text of an integer up to 2^53 - 1; null where the cloud does not tell it. */
  cloud_version: string | null;
  updated_at: string | null;
  /** The whole row as JSON text; null on `delete` and `hint`. */
  data: string | null;
  /** Why it cannot be applied. */
  fault?: string;
};

/** What a change without an operation of its own means; `hints`: whether one without a row asks for a fetch. */
export type Reading = { operation: 'update' | 'delete'; hints: boolean };

/** Both are keys of btree indexes, whose entries end at 2,704 bytes. */
const MAX_TYPE_BYTES = 255;
const MAX_ID_BYTES = 2_000;
const SHOWN = 200;
const VERSION = /^(0|[1-9]\d{0,15})$/;

/**
 * Never throws: what is wrong with a change is its `fault`, all of it in one text.
 * @param text all of the body
 * @param span where the change stands in it
 */
export function readChange(text: string, span: Span, reading: Reading): IncomingChange {
  const faults: string[] = [];
  const fault = (reason: string) => void faults.push(reason);
  const member = (key: string) => span.members?.get(key);
  const given = (key: string): Span | undefined => (member(key)?.kind === 'null' ? undefined : member(key));

  if (span.kind !== 'object') fault(`a change is an object, not ${span.kind}`);
  if (span.flaw) fault(span.flaw);
  for (const [key, part] of span.members ?? []) {
    if (part.flaw && key !== 'data') fault(`${shown(key)}: ${part.flaw}`);
  }
  const entity_type = readName('entity_type', MAX_TYPE_BYTES);
  const entity_id = readName('entity_id', MAX_ID_BYTES);
  const operation = readOperation();
  const data = operation === 'create' || operation === 'update' ? readData() : null;
  const change: IncomingChange = {
    entity_type,
    entity_id,
    cloud_id: readCloudId(),
    operation,
    cloud_version: readVersion(),
    updated_at: readInstant(),
    data,
  };
  if (faults.length > 0) change.fault = faults.join('; ').slice(0, 500).replaceAll('\u0000', '\ufffd');
  return change;

  function readName(key: string, maxBytes: number): string {
    const name = stringIn(text, given(key));
    if (name === undefined || name === '') {
      fault(name === '' ? `${key} is empty` : `${key} is no text`);
      return '';
    }
    if (Buffer.byteLength(name) <= maxBytes) return name;
    fault(`${key} is longer than ${maxBytes} bytes`);
    return shown(name);
  }

  function readOperation(): IncomingChange['operation'] {
    const named = given('operation');
    const word = named === undefined ? undefined : (stringIn(text, named) ?? rawText(text, named));
    if (word === 'delete' || given('deleted')?.kind === 'true') return 'delete';
    if (word === undefined && reading.operation === 'delete') return 'delete';
    if (word !== undefined && word !== 'create' && word !== 'update') fault(`unknown operation ${shown(word)}`);
    if (given('data') === undefined && reading.hints) return 'hint';
    return word === 'create' ? 'create' : 'update';
  }

  function readData(): string | null {
    const row = given('data');
    if (row?.kind !== 'object') fault(row ? `data is ${row.kind}, not an object` : 'data is missing');
    if (row?.flaw) fault(`data: ${row.flaw}`);
    return row === undefined || row.flaw === 'nested too deep' ? null : rawText(text, row);
  }

  function readVersion(): string | null {
    const version = given('cloud_version');
    const digits = version && rawText(text, version);
    if (digits !== undefined && VERSION.test(digits) && Number.isSafeInteger(Number(digits))) return digits;
    if (digits !== undefined) fault(`cloud_version is ${shown(digits)}, not an integer below 2^53`);
    else if (operation !== 'hint') fault('cloud_version is missing');
    return null;
  }

  function readInstant(): string | null {
    const instant = given('updated_at');
    if (instant === undefined) return null;
    const value = stringIn(text, instant);
    if (value !== undefined && isInstant(value)) return value;
    fault(`updated_at is ${shown(rawText(text, instant))}, not an instant`);
    return null;
  }

  function readCloudId(): string | null {
    const name = stringIn(text, given('cloud_id'));
    return name === undefined || Buffer.byteLength(name) > MAX_ID_BYTES ? null : name;
  }
}

function shown(value: string): string {
  return value.length <= SHOWN ? value : `${value.slice(0, SHOWN)}…`;
}
