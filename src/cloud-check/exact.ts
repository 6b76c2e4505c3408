/**
 * JSON whose numbers stay the digits that they were written with. Pure. JavaScript's own reading makes 1.1 of 1.10 and rounds
 * what has more than 15 digits, so it could not see the very fault that is looked for.
 */
import { isInstant } from '../cloud/instant.js';

/** A number as it was written. */
export class Digits {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Exact = null | boolean | string | Digits | Exact[] | ExactObject;
export type ExactObject = { [name: string]: Exact };

/** No column is called so. */
const DIGITS = '\u0000digits';
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

/** @returns undefined where the text is no JSON */
export function readExactly(text: string): Exact | undefined {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  const marked = text.replaceAll(STRING_OR_NUMBER, (token) =>
    token.startsWith('"') ? token : JSON.stringify({ [DIGITS]: token }),
  );
  return JSON.parse(marked, (_name, value) => {
    const digits = typeof value === 'object' && value !== null ? value[DIGITS] : undefined;
    return digits === undefined ? value : new Digits(digits);
  }) as Exact;
}

export function writeExactly(value: Exact): string {
  if (value instanceof Digits) return value.text;
  if (Array.isArray(value)) return `[${value.map(writeExactly).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, member]) => `${JSON.stringify(name)}:${writeExactly(member)}`)
    .join(',')}}`;
}

export function isObject(value: Exact | undefined): value is ExactObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Digits);
}

/** Every number in it, as written. */
export function numbersIn(value: Exact): string[] {
  if (value instanceof Digits) return [value.text];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(numbersIn);
}

/**
 * What of `sent` is not in `got`, in words; undefined where all of it is. Members that only `got` has do not count; an instant
 * may be written otherwise.
 * @param digits `each`: a number has to be written as it was; `value`: the nearest number that JavaScript knows will do
 */
export function whatIsLost(
  sent: Exact,
  got: Exact | undefined,
  digits: 'each' | 'value',
  path = '',
): string | undefined {
  const at = path === '' ? 'the row' : path;
  if (got === undefined) return `${at} is missing`;
  if (isObject(sent) && isObject(got)) {
    for (const [name, member] of Object.entries(sent)) {
      const lost = whatIsLost(member, got[name], digits, path === '' ? name : `${path}.${name}`);
      if (lost) return lost;
    }
    return undefined;
  }
  if (Array.isArray(sent) && Array.isArray(got) && sent.length === got.length) {
    for (const [place, member] of sent.entries()) {
      const lost = whatIsLost(member, got[place], digits, `${path}[${place}]`);
      if (lost) return lost;
    }
    return undefined;
  }
  const [before, after] = [writeExactly(sent), writeExactly(got)];
  if (before === after || isSameInstant(sent, got)) return undefined;
  const numbers = sent instanceof Digits && got instanceof Digits && digits === 'value';
  if (numbers && Number(before) === Number(after)) return undefined;
  return `${at} was sent as ${shown(before)} and came back as ${shown(after)}`;
}

function isSameInstant(sent: Exact, got: Exact): boolean {
  if (typeof sent !== 'string' || typeof got !== 'string' || !isInstant(sent) || !isInstant(got)) return false;
  return Date.parse(sent) === Date.parse(got) && fractionOf(sent) === fractionOf(got);
}

/** Date.parse does not see what comes after the milliseconds. */
function fractionOf(instant: string): string {
  return /\.(\d*[1-9])/.exec(instant)?.[1] ?? '';
}

function shown(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
