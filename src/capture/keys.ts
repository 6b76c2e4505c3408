/**
 * The key columns of a captured table as they are now: their types, and how they are compared. Whoever has to find a row by the
 * text that names its entity begins here. Reads the catalogue only. The caller's search_path must be pg_catalog alone, so that
 * every type is named with its schema.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { INSTALL, SyncError } from '../errors.js';
import { keyText } from './expressions.js';
import { identifier, literal } from './names.js';
import type { KeyColumn } from './recipe.js';

/**
 * `type`: as SQL writes it in a cast; of a domain what it is made of, for a rule that it got later says nothing of older rows.
 * `collation`: the column's, also one that is the database's own; null where its type has none.
 */
export type TypedKey = Omit<KeyColumn, 'exact'> & { type: string; collation: string | null };

/** @throws SyncError `failed` where a key column is gone */
export async function readKeys(db: Db, table: string, names: string[]): Promise<TypedKey[]> {
  const { rows } = await sql<TypedKey>`
    WITH RECURSIVE base AS (
      SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attcollation AS collation, a.atttypid AS oid
      FROM pg_attribute a WHERE a.attrelid = ${table}::regclass AND a.attname = ANY (${names}::text[]) AND NOT a.attisdropped
      UNION ALL
      SELECT b.name, format_type(t.typbasetype, -1), b.collation, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd'
    )
    SELECT b.name, b.type, (SELECT format('%I.%I', n.nspname, c.collname) FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
                            WHERE c.oid = b.collation) AS collation, b.oid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) AS iso,
           coalesce((
             SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
             FROM pg_opclass c JOIN pg_am m ON m.oid = c.opcmethod AND m.amname = 'btree'
             JOIN pg_amop p ON p.amopfamily = c.opcfamily AND p.amopstrategy = 3
                           AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype
             JOIN pg_operator o ON o.oid = p.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
             WHERE c.opcintype = b.oid AND c.opcdefault), 'OPERATOR(pg_catalog.=)') AS equals
    FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype <> 'd'`.execute(db);
  return names.map((name) => {
    const column = rows.find((one) => one.name === name);
    if (!column) throw new SyncError('failed', `${table} has no column ${name} any more`, { hint: `Run: ${INSTALL}` });
    return column;
  });
}

/**
 * True of the row `t` that an entity's id names: an expression. With a second look at the text, for equal keys may be written
 * differently (citext).
 * @param id an expression of type text
 */
export function keyMatch(keys: readonly TypedKey[], id: string): string {
  const parts = keys.map(({ name, equals }, place) => `t.${identifier(name)} ${equals} ${keyValue(keys, place, id)}`);
  return `${parts.join(' AND ')} AND ${keyText({ keys: [...keys] }, 't')} OPERATOR(pg_catalog.=) ${id}`;
}

/**
 * A key column's value in an entity's id: an expression. It compares by the column's collation, whatever the id's own is: under
 * another one the key's index is of no use.
 */
export function keyValue(keys: readonly TypedKey[], place: number, id: string): string {
  const { type, collation } = keys[place] as TypedKey;
  return `${textAt(keys, place, id)}::${type}${collation === null ? '' : ` COLLATE ${collation}`}`;
}

const textAt = (keys: readonly TypedKey[], place: number, id: string): string =>
  keys.length === 1 ? id : `(${id}::pg_catalog.json OPERATOR(pg_catalog.->>) ${place})`;

/**
 * Whether an id can be read as such a key at all: an expression. Under an older key of the table the names were others, and a cast
 * of one of those fails.
 * @param id an expression of type text
 */
export function mayName(keys: readonly TypedKey[], id: string): string {
  return readableAs(
    keys.map(({ type }) => type),
    id,
  );
}

/** The same of the number of its columns alone, whatever their types. */
export function mayHaveNamed(keys: readonly TypedKey[], id: string): string {
  return readableAs(
    keys.map(() => 'text'),
    id,
  );
}

/** As keyValue; null where the text cannot be read as that column's value. The id's columns must be as many. */
export function keyValueIfReadable(keys: readonly TypedKey[], place: number, id: string): string {
  const readable = readableAs([(keys[place] as TypedKey).type], textAt(keys, place, id));
  return `CASE WHEN ${readable} THEN ${keyValue(keys, place, id)} END`;
}

const readableAs = (types: readonly string[], text: string): string =>
  `syncd.may_name(${text}, ARRAY[${types.map(literal).join(', ')}]::pg_catalog.text[])`;

/** The texts of a key, in key order; undefined where the entity's id cannot be one of this key's. */
export function keyTexts(keys: readonly TypedKey[], entityId: string): string[] | undefined {
  if (keys.length === 1) return [entityId];
  try {
    const parts: unknown = JSON.parse(entityId);
    if (Array.isArray(parts) && parts.length === keys.length && parts.every((part) => typeof part === 'string'))
      return parts;
  } catch {
    // No JSON at all: no such key either.
  }
  return undefined;
}
