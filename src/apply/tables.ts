/**
 * The POS's tables as applying sees them: read from the catalogue and from syncd.capture, joined with the configuration. A
 * table that was configured but not installed is not among them. What is read here grows old with the next ALTER TABLE; whoever
 * keeps it reads it again now and then, and after a write that named something which is gone.
 */
import { sql } from 'kysely';
import { readKeys, type TypedKey } from '../capture/keys.js';
import { columnName } from '../capture/names.js';
import type { Direction, Settings, Strategy } from '../config/settings.js';
import type { Db } from '../db/connect.js';

export type TableColumn = {
  name: string;
  /** As SQL writes it in a cast, the schema included. */
  type: string;
  /** always: an identity that only an INSERT may set. generated: nobody may. */
  kind: 'plain' | 'always' | 'generated';
  /** Of type json, whose text is the value: it must not be read and written anew. */
  json: boolean;
  key: boolean;
  /** Stays in the shop: neither sent nor written. */
  excluded: boolean;
};

/** A foreign key that points to a configured table. */
export type Reference = { columns: string[]; parent: string; parentColumns: string[] };

/** A sequence that counts upwards, and the column whose default draws from it. `max` and `step` are whole numbers as text. */
export type ColumnSequence = { column: string; sequence: string; max: string; step: string };

export type AppliedTable = {
  entity: string;
  /** Schema and table as SQL writes them; its row type is called the same. */
  table: string;
  direction: Direction;
  keys: TypedKey[];
  excluded: string[];
  columns: TableColumn[];
  /** Columns that belong to the shop: a difference in them alone is nothing to send. */
  local: string[];
  /** Columns whose changes add up. */
  delta: string[];
  conflict: Strategy;
  merge_fallback: Strategy;
  /** A waiting change may be sent as a part of a newer one. */
  coalesce: boolean;
  /** Parents have a lower one than their children; in a cycle anything goes. */
  rank: number;
  references: Reference[];
  sequences: ColumnSequence[];
  /** The key's index can say in an INSERT that the row is there already. */
  arbiter: boolean;
  /** Some constraint or trigger of it may be put off to the end of a transaction. */
  deferrable: boolean;
  /** What is written to it is not over with the statement, or reaches other tables: deferrable, or it has `also_writes`. */
  entwined: boolean;
};

/** By entity type. */
export type AppliedTables = ReadonlyMap<string, AppliedTable>;

type Captured = { entity: string; table: string; direction: Direction; names: string[]; excluded: string[] };
type ReadColumn = Omit<TableColumn, 'key' | 'excluded'>;
type Facts = {
  columns: ReadColumn[];
  references: Reference[];
  sequences: ColumnSequence[];
  arbiter: boolean;
  deferrable: boolean;
};

/** The configured tables that are captured and still exist, by entity. Reads the catalogue in a transaction of its own. */
export async function loadTables(db: Db, settings: Settings): Promise<Map<string, AppliedTable>> {
  return db.transaction().execute(async (trx) => {
    // So that every type is named with its schema, and means the same whatever the reader's own path.
    await sql`SET LOCAL search_path = pg_catalog`.execute(trx);
    const captured = await readCaptured(trx, [...settings.entities.keys()]);
    const tables = new Map<string, AppliedTable>();
    for (const one of captured) {
      const facts = await readFacts(trx, one, captured);
      // A key column that is gone: as good as not installed, and no reason to stop the others.
      if (one.names.some((name) => !facts.columns.some((column) => column.name === name))) continue;
      tables.set(one.entity, joined(one, await readKeys(trx, one.table, one.names), facts, settings));
    }
    for (const [entity, rank] of ranks(tables)) (tables.get(entity) as AppliedTable).rank = rank;
    return tables;
  });
}

/** Captured tables that still exist. */
async function readCaptured(db: Db, entities: string[]): Promise<Captured[]> {
  const { rows } = await sql<Captured>`
    SELECT c.entity_type AS entity, c.table_name AS table, c.direction, c.keys AS names, c.excluded
    FROM syncd.capture c WHERE c.entity_type = ANY (${entities}::text[]) AND to_regclass(c.table_name) IS NOT NULL
    ORDER BY c.entity_type`.execute(db);
  return rows;
}

async function readFacts(db: Db, { table, names }: Captured, all: Captured[]): Promise<Facts> {
  const others = all.map((one) => one.table);
  type Read = Pick<Facts, 'arbiter' | 'deferrable'> & { columns: string; references: string; sequences: string };
  const { rows } = await sql<Read>`
    SELECT (
      SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
               'kind', CASE WHEN a.attgenerated <> '' THEN 'generated' WHEN a.attidentity = 'a' THEN 'always' ELSE 'plain' END,
               'json', a.atttypid = 'json'::regtype) ORDER BY a.attnum)
      FROM pg_attribute a WHERE a.attrelid = ${table}::regclass AND a.attnum > 0 AND NOT a.attisdropped
    ) AS columns, (
      SELECT coalesce(json_agg(json_build_object('parent', o.place,
               'columns', ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n, i)
                                JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.i),
               'parentColumns', ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n, i)
                                JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.i))
               ORDER BY k.conname), '[]')
      FROM pg_constraint k JOIN unnest(${others}::text[]) WITH ORDINALITY AS o(name, place) ON k.confrelid = to_regclass(o.name)
      -- A partition may refer where its root does not; what the root refers to stands there once.
      WHERE k.contype = 'f' AND k.conparentid = 0
        -- From the catalogue: pg_partition_tree would lock all partitions.
        AND k.conrelid IN (WITH RECURSIVE part(oid) AS (
                             SELECT ${table}::regclass::oid
                             UNION SELECT i.inhrelid FROM part p JOIN pg_inherits i ON i.inhparent = p.oid
                             JOIN pg_class r ON r.oid = i.inhrelid AND r.relispartition)
                           SELECT oid FROM part)
    ) AS references, (
      SELECT coalesce(json_agg(json_build_object('column', a.attname, 'sequence', drawn.oid::regclass::text, 'max', s.seqmax::text,
                                                 'step', s.seqincrement::text)), '[]')
      FROM (SELECT d.adnum AS number, p.refobjid AS oid FROM pg_attrdef d
            JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
            WHERE d.adrelid = ${table}::regclass
            UNION SELECT i.refobjsubid::int2, i.objid FROM pg_depend i
            WHERE i.classid = 'pg_class'::regclass AND i.refobjid = ${table}::regclass AND i.deptype = 'i') AS drawn
      JOIN pg_sequence s ON s.seqrelid = drawn.oid AND s.seqincrement > 0
      JOIN pg_attribute a ON a.attrelid = ${table}::regclass AND a.attnum = drawn.number
    ) AS sequences, EXISTS (
      SELECT FROM pg_index i
      WHERE i.indrelid = ${table}::regclass AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL
        AND i.indexprs IS NULL AND i.indnkeyatts = ${names.length}
        AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(n, i2) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.n
                        WHERE u.i2 <= i.indnkeyatts AND a.attname <> ALL (${names}::text[]))
    ) AS arbiter, EXISTS (SELECT FROM pg_trigger WHERE tgrelid = ${table}::regclass AND tgdeferrable) AS deferrable`.execute(
    db,
  );
  const read = rows[0] as Read;
  const references: (Omit<Reference, 'parent'> & { parent: number })[] = JSON.parse(read.references);
  return {
    columns: JSON.parse(read.columns),
    references: references.map((one) => ({ ...one, parent: (all[one.parent - 1] as Captured).entity })),
    sequences: JSON.parse(read.sequences),
    arbiter: read.arbiter,
    deferrable: read.deferrable,
  };
}

function joined(captured: Captured, keys: TypedKey[], facts: Facts, settings: Settings): AppliedTable {
  const { entity, table, direction, names, excluded } = captured;
  const wanted = settings.entities.get(entity);
  return {
    entity,
    table,
    direction,
    keys,
    excluded,
    columns: facts.columns.map((column) => ({
      ...column,
      key: names.includes(column.name),
      excluded: excluded.includes(column.name),
    })),
    local: wanted?.local.map(columnName) ?? [],
    delta: wanted?.delta.map(columnName) ?? [],
    conflict: wanted?.conflict ?? settings.sync.conflict,
    merge_fallback: wanted?.merge_fallback ?? 'manual',
    coalesce: wanted?.coalesce ?? false,
    rank: 0,
    references: facts.references,
    sequences: facts.sequences,
    arbiter: facts.arbiter,
    deferrable: facts.deferrable,
    entwined: facts.deferrable || (wanted?.also_writes.length ?? 0) > 0,
  };
}

/** Longest way up through the foreign keys; a way that comes back to itself ends there. */
export function ranks(tables: ReadonlyMap<string, Pick<AppliedTable, 'references'>>): Map<string, number> {
  const known = new Map<string, number>();
  const visiting = new Set<string>();
  const rankOf = (entity: string): number => {
    const rank = known.get(entity);
    if (rank !== undefined) return rank;
    visiting.add(entity);
    const parents = (tables.get(entity)?.references ?? []).map((one) => one.parent);
    const above = parents.filter((parent) => !visiting.has(parent)).map(rankOf);
    visiting.delete(entity);
    const own = above.length === 0 ? 0 : Math.max(...above) + 1;
    known.set(entity, own);
    return own;
  };
  for (const entity of tables.keys()) rankOf(entity);
  return known;
}
