/**
 * The SQL expressions that the generated functions are put together from. Pure. Aliases are `o` (before), `n` (after) and `t`
 * (the table itself); a column called the same cannot be taken for one, because aliases appear only in front of a dot. A row
 * trigger's rows are its variables OLD and NEW, never a list of their columns: a session would keep that list over ALTER TABLE.
 */
import { identifier, literal } from './names.js';
import type { KeyColumn, Recipe } from './recipe.js';

type Alias = 'o' | 'n' | 't' | 'OLD' | 'NEW';
type TextKey = Pick<KeyColumn, 'name' | 'iso'>;
type Excluded = Pick<Recipe, 'excluded' | 'excludedAt'>;

const EQUALS = 'OPERATOR(pg_catalog.=)';
const DIFFERS = 'OPERATOR(pg_catalog.<>)';

/** What the rows before and after are called. */
export function rowsOf({ level }: Pick<Recipe, 'level'>): [before: Alias, after: Alias] {
  return level === 'row' ? ['OLD', 'NEW'] : ['o', 'n'];
}

/** The entity's id as text, compared byte by byte: a composite key is a JSON array of texts. */
export function keyText(recipe: { keys: readonly TextKey[] }, alias: Alias): string {
  const texts = recipe.keys.map((key) => keyPart(key, alias));
  const text = texts.length === 1 ? texts[0] : `pg_catalog.array_to_json(ARRAY[${texts.join(', ')}])::pg_catalog.text`;
  return `(${text} COLLATE pg_catalog."C")`;
}

/** One key column as text. */
export function keyPart(key: TextKey, alias: Alias): string {
  const column = `${alias}.${identifier(key.name)}`;
  return key.iso ? `(pg_catalog.to_json(${column}) OPERATOR(pg_catalog.#>>) '{}')` : `${column}::pg_catalog.text`;
}

/** True for the side of an outer join that has no row: key columns are never null. */
export function absent(recipe: Pick<Recipe, 'keys'>, alias: Alias): string {
  return `${alias}.${identifier((recipe.keys[0] as KeyColumn).name)} IS NULL`;
}

/** The row as JSON text, column by column as the table has them at that moment, without the excluded ones. */
export function payload(recipe: Excluded, alias: Alias): string {
  if (recipe.excluded.length === 0) return `pg_catalog.row_to_json(${alias}.*)`;
  return `(SELECT pg_catalog.json_object_agg(e.key, e.value) FROM pg_catalog.json_each(pg_catalog.row_to_json(${alias}.*)) AS e(key, value) WHERE ${watched(recipe, 'e.key')})`;
}

function watched(recipe: Excluded, name: string): string {
  const names = `ARRAY[${recipe.excluded.map(literal).join(', ')}]::pg_catalog.text[]`;
  if (recipe.excludedAt === undefined) return `${name} ${DIFFERS} ALL (${names})`;
  const { oid, table, numbers } = recipe.excludedAt;
  const places = `ARRAY[${numbers.join(', ')}]::pg_catalog.int2[]`;
  return `${name} ${DIFFERS} ALL (syncd.excluded_columns(${oid}, ${literal(table)}, ${names}, ${places}))`;
}

/**
 * True where a watched column changed. Rows are compared by image, which needs no equality operator and takes 1.0 and 1.00
 * for two values; with excluded columns a difference must show in the text that would be sent.
 */
export function changed(recipe: Excluded & Pick<Recipe, 'level'>): string {
  const [before, after] = rowsOf(recipe);
  const image = `${before}.* OPERATOR(pg_catalog.*<>) ${after}.*`;
  if (recipe.excluded.length === 0) return image;
  return `(CASE WHEN ${image} THEN ${payload(recipe, before)}::pg_catalog.text ${DIFFERS} ${payload(recipe, after)}::pg_catalog.text ELSE false END)`;
}

/** The old values of the columns that changed. Both rows are of one type, so their columns pair off by place. */
export function previous(recipe: Excluded & Pick<Recipe, 'keepPrevious' | 'level'>): string {
  const [before, after] = rowsOf(recipe);
  if (!recipe.keepPrevious) return 'NULL::pg_catalog.json';
  const shown = recipe.excluded.length === 0 ? '' : ` AND ${watched(recipe, 'd.name')}`;
  return `(SELECT pg_catalog.json_object_agg(d.name, d.before) FROM ROWS FROM (pg_catalog.json_each(pg_catalog.row_to_json(${before}.*)), pg_catalog.json_each(pg_catalog.row_to_json(${after}.*))) AS d(name, before, same, after) WHERE d.before::pg_catalog.text ${DIFFERS} d.after::pg_catalog.text${shown})`;
}

/** Old and new rows as one list of pairs; a changed key leaves two halves. */
export function pairs(recipe: Pick<Recipe, 'keys' | 'level'>, oldRows: string, newRows: string): string {
  return `${oldRows} FULL JOIN ${newRows} ON ${sameKey(recipe)}`;
}

/** Keys are one where their texts are: a key's own equality may take two texts for one value (numeric, citext). */
export function sameKey(recipe: Pick<Recipe, 'keys' | 'level'>): string {
  const [before, after] = rowsOf(recipe);
  const side = (key: KeyColumn, alias: Alias) =>
    key.exact ? `${alias}.${identifier(key.name)}` : keyText({ keys: [key] }, alias);
  return recipe.keys.map((key) => `${side(key, before)} ${EQUALS} ${side(key, after)}`).join(' AND ');
}

/** A pair's id. Not COALESCE: a composite key of a missing row is an array of nulls, which is not null. */
export function eitherKey(recipe: Pick<Recipe, 'keys'>): string {
  return `CASE WHEN ${absent(recipe, 'n')} THEN ${keyText(recipe, 'o')} ELSE ${keyText(recipe, 'n')} END`;
}

/** A pair's operation: a row that lost its key is deleted, one under a new key created. */
export function operation(recipe: Pick<Recipe, 'keys'>): string {
  return `CASE WHEN ${absent(recipe, 'n')} THEN 'delete' WHEN ${absent(recipe, 'o')} THEN 'create' ELSE 'update' END`;
}

/** Deletes before updates before creates, so that a key is free before it is taken. */
export function rank(recipe: Pick<Recipe, 'keys'>): string {
  return `CASE WHEN ${absent(recipe, 'n')} THEN 0 WHEN ${absent(recipe, 'o')} THEN 2 ELSE 1 END`;
}
