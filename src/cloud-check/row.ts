/**
 * The rows that the test outlet pushes: one of its own, or the one that the cloud's team gave because their cloud takes only
 * rows that it knows. Pure. Only the given row's key is exchanged; everything else in it stays as it was written.
 */
import { type Exact, isObject, numbersIn, readExactly, writeExactly } from './exact.js';

export type RowTemplate = {
  /** False: it was given, and nothing may be added to it or taken from it. */
  own: boolean;
  /** @param more columns over those of the template, as JSON text; left out where the row was given */
  text(id: string, more?: Record<string, string>): string;
  /** Whether floating point would spoil a number in it. */
  delicate: boolean;
};

const OWN = '{"name":"syncd cloud-check","amount":123456789012345678901234567890}';

/**
 * @param given the text of `--data`; undefined: the outlet's own row
 * @param key the field that takes the id
 * @returns undefined where the text is no JSON object
 */
export function rowTemplate(given: string | undefined, key: string): RowTemplate | undefined {
  const row = readExactly(given ?? OWN);
  if (!isObject(row)) return undefined;
  const own = given === undefined;
  return {
    own,
    text(id, more = {}) {
      const over = own ? Object.entries(more).map(([name, text]) => [name, readExactly(text) as Exact] as const) : [];
      return writeExactly({ [key]: id, ...row, ...Object.fromEntries(over), [key]: id });
    },
    delicate: numbersIn(row).some((digits) => String(Number(digits)) !== digits),
  };
}
