/**
 * What the POS's own triggers do to a row and to other tables, read from the text of their functions. Pure, and a guess: a name
 * that is put together at run time cannot be seen, and that is said.
 */
import { parseTable } from '../capture/names.js';
import type { ReadTable, ReadTrigger } from './read.js';

export type Effects = {
  /** Columns of the row itself that a trigger sets, as the table names them. */
  sets: string[];
  /** Tables that a trigger writes with the rights of whoever writes the row. */
  writes: ReadTable[];
  /** Functions whose writes cannot be read from their text. */
  unreadable: string[];
};

const NAME = String.raw`((?:"(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)(?:\s*\.\s*(?:"(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*))?)`;
const SET = /\bNEW\s*\.\s*("(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)\s*(?::=|=(?!=))/giu;
const WRITE = new RegExp(
  String.raw`\b(?:INSERT\s+INTO|MERGE\s+INTO|DELETE\s+FROM(?:\s+ONLY)?|UPDATE(?:\s+ONLY)?)\s+${NAME}`,
  'giu',
);
/** The built-in function for text search names the column in its first argument. */
const SEARCH = /EXECUTE (?:FUNCTION|PROCEDURE) (?:pg_catalog\.)?tsvector_update_trigger(?:_column)?\('((?:[^']|'')+)'/i;

export function effectsOf(table: ReadTable, tables: readonly ReadTable[]): Effects {
  const effects: Effects = { sets: [], writes: [], unreadable: [] };
  for (const trigger of table.triggers) {
    if (trigger.before) effects.sets.push(...setBy(trigger, table));
    if (!trigger.plpgsql || trigger.definer) continue;
    const text = withoutComments(trigger.body);
    for (const [, name = ''] of text.matchAll(WRITE)) {
      const written = find(name, table, tables);
      if (written && written.oid !== table.oid && !effects.writes.includes(written)) effects.writes.push(written);
    }
    if (/\bEXECUTE\b/i.test(text)) effects.unreadable.push(trigger.name);
  }
  effects.sets = [...new Set(effects.sets)];
  return effects;
}

function setBy({ body, plpgsql, definition }: ReadTrigger, { columns }: ReadTable): string[] {
  const search = SEARCH.exec(definition)?.[1];
  const named = plpgsql ? conditionless(withoutComments(body)) : [];
  return [...(search === undefined ? [] : [search]), ...named].filter((name) =>
    columns.some((one) => one.name === name),
  );
}

/** What is set for a new row alone, as a default is, belongs to whoever makes the row. */
function conditionless(text: string): string[] {
  return [...text.matchAll(SET)]
    .filter(({ index }) => !/\bIF\b[^;]*\bIS\s+NULL\b[^;]*$/i.test(text.slice(0, index)))
    .map(([, name = '']) => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase()));
}

function withoutComments(text: string): string {
  return text.replaceAll(/--[^\n]*/g, ' ').replaceAll(/\/\*[\s\S]*?\*\//g, ' ');
}

/** A name without a schema stands where the table stands, else in `public`. */
function find(name: string, { schema }: ReadTable, tables: readonly ReadTable[]): ReadTable | undefined {
  const compact = name.replaceAll(/\s*\.\s*/g, '.');
  const bare = !/[."]\./.test(compact) && !compact.includes('.');
  const parsed = parseTable(compact);
  const among = (where: string) => tables.find((table) => table.schema === where && table.name === parsed?.name);
  return bare ? (among(schema) ?? among('public')) : among(parsed?.schema ?? '');
}
