/**
 * What was altered between two looks though it looks the same: a trigger that was switched off and on again, and rows that an ALTER
 * wrote anew without another type (USING other values, another expression of a generated column), for which no trigger fires. Each is
 * known by its own row in the catalogue, and rows also by their file: VACUUM FULL and CLUSTER make a new one, and touch no column.
 * A virtual column has other values without another file. Pure.
 */
import { textFamily } from './columns.js';
import type { Shape } from './shape.js';

/** As it is stored, a line each: the triggers, the files and the columns of a table. */
export function marksOf(shape: Shape | null): string {
  const triggers = shape?.members.flatMap(({ oid, triggers }) =>
    triggers.map(({ name, mark }) => `${oid} ${name} ${mark}`),
  );
  const files = shape?.members.map(({ oid, file }) => `${FILE}${oid} ${file}`);
  const columns = shape?.columns.map(
    ({ number, mark, type, virtual }) => `${virtual ? VIRTUAL : COLUMN}${number} ${mark} ${type}`,
  );
  return [...(triggers ?? []).sort(), ...(files ?? []), ...(columns ?? [])].join('\n');
}

const FILE = 'file ';
const COLUMN = 'column ';
const VIRTUAL = 'virtual ';

/** @param before null: it was not looked at before. @returns in words that follow the table's name; undefined: nothing */
export function alteredSince(before: string | null, now: string): string | undefined {
  if (before === null || before === now) return undefined;
  const [then, since] = [before.split('\n'), now.split('\n')];
  const triggers = (lines: string[]) =>
    lines.filter((line) => ![FILE, COLUMN, VIRTUAL].some((kind) => line.startsWith(kind)));
  if (triggers(then).join() !== triggers(since).join()) return 'triggers of';
  const moved = changed(then, since, FILE, () => true);
  if (changed(then, since, VIRTUAL, sameTexts)) return 'rows of';
  return moved && changed(then, since, COLUMN, sameTexts) ? 'rows of' : undefined;
}

/** Whether a file or a column that was there before, by its number, has another line now. */
function changed(then: string[], now: string[], kind: string, counts: (was: string, is: string) => boolean): boolean {
  const numbered = (lines: string[]) =>
    lines.filter((line) => line.startsWith(kind)).map((line) => [line.split(' ', 2).join(), line] as const);
  const known = new Map(numbered(then));
  return numbered(now).some(([number, line]) => {
    const was = known.get(number);
    return was !== undefined && was !== line && counts(was, line);
  });
}

/** Another type is told as what it is, and a person has the rows sent. */
const sameTexts = (was: string, is: string): boolean => textFamily(typeIn(was)) === textFamily(typeIn(is));

const typeIn = (line: string): string => line.split(' ').slice(3).join(' ');
