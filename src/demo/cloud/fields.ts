/**
 * What the cloud asks of any JSON body before it looks at what is meant: UTF-8, one object, each field of its type, no name
 * twice. Holds nothing.
 */
import { Refusal } from './refusal.js';
import { membersOf } from './text.js';

export type Fields = Record<string, unknown>;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const malformed = (what: string) => new Refusal(400, 'malformed', what);

/** @throws Refusal 400 where the field is not what it must be. */
export function field<T>(
  of: Fields,
  where: string,
  name: string,
  want: string,
  test: (value: unknown) => value is T,
): T {
  const value = of[name];
  if (test(value)) return value;
  throw malformed(`${where}${name} must be ${want}`);
}

export const text = (value: unknown): value is string => typeof value === 'string';
export const name = (value: unknown): value is string => text(value) && value !== '';
export const list = (value: unknown): value is unknown[] => Array.isArray(value);
/** An integer from 0. */
export const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
export const missing = (value: unknown): value is null | undefined => value === null || value === undefined;
export const or =
  <T>(test: (value: unknown) => value is T) =>
  (value: unknown): value is T | null | undefined =>
    missing(value) || test(value);

/** Two readers may take different ones of two equal names: such a body has no one meaning. */
export function* uniqueMembers(scan: string, at: number, where: string) {
  const seen = new Set<string>();
  for (const member of membersOf(scan, at)) {
    if (seen.has(member.name)) throw malformed(`${where}${member.name} stands twice`);
    seen.add(member.name);
    yield member;
  }
}

/** @throws Refusal 400 where the bytes are not one JSON object. */
export function jsonOf(bytes: Buffer): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(UTF8.decode(bytes));
  } catch {
    throw malformed('the body is not JSON in UTF-8');
  }
  if (!isFields(parsed)) throw malformed('the body is no object');
  return parsed;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
