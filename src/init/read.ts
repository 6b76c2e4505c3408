/**
 * Reads what `syncd init` proposes from: every table of the POS with its columns, what it refers to, and the text of the functions
 * that its triggers run. Reads the catalogue alone, no row; needs no right but to connect.
 */
import type pg from 'pg';
import { introspect, introspectWritten } from '../capture/introspect.js';
import { SCHEMA } from '../capture/names.js';
import type { TableShape, Written } from '../capture/shape.js';

export type ReadColumn = { name: string; type: string; notNull: boolean; given: boolean };

export type ReadTrigger = {
  name: string;
  before: boolean;
  /** The function's text; of one that is not written in plpgsql only the trigger's own definition tells. */
  body: string;
  plpgsql: boolean;
  /** It runs with its owner's rights. */
  definer: boolean;
  definition: string;
};

export type ReadTable = {
  oid: string;
  schema: string;
  name: string;
  /** Its partitioned root or the table that it inherits from, as people write it; null: neither. */
  below: string | null;
  partition: boolean;
  /** The extension that it belongs to; null: none. */
  extension: string | null;
  /** About how many rows; null: never counted. */
  rows: number | null;
  columns: ReadColumn[];
  /** Oids of the tables that it refers to, and the columns that do. */
  parents: string[];
  links: string[];
  triggers: ReadTrigger[];
  policies: boolean;
};

export type Catalogue = {
  database: string;
  tables: ReadTable[];
  /** By oid, of the tables that may be proposed. */
  shapes: Map<string, TableShape>;
  written: Map<string, Written>;
};

// The partitions are read from the catalogue: pg_partition_tree would lock every table of the shop.
const TABLES = `
  SELECT c.oid::text AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relispartition AS partition,
         c.relrowsecurity AS policies,
         (SELECT format('%I.%I', pn.nspname, p.relname) FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
          JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE i.inhrelid = c.oid ORDER BY i.inhseqno LIMIT 1) AS below,
         (SELECT e.extname::text FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e' LIMIT 1) AS extension,
         (SELECT nullif(sum(greatest(m.reltuples, 0)), 0)::float8 FROM pg_class m
          WHERE m.oid = c.oid OR m.oid IN (SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = c.oid)) AS rows,
         coalesce((SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull,
                          'given', a.atthasdef OR a.attidentity <> '') ORDER BY a.attnum)
                   FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS columns,
         coalesce((SELECT json_agg(DISTINCT k.confrelid::text) FROM pg_constraint k
                   WHERE k.conrelid = ANY (c.parts) AND k.contype = 'f' AND k.confrelid <> c.oid), '[]') AS parents,
         coalesce((SELECT json_agg(DISTINCT a.attname) FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
                   WHERE k.conrelid = ANY (c.parts) AND k.contype = 'f'), '[]') AS links,
         coalesce((SELECT json_agg(json_build_object('name', t.tgname, 'before', t.tgtype & 2 = 2, 'body', p.prosrc, 'plpgsql', l.lanname = 'plpgsql',
                          'definer', p.prosecdef, 'definition', pg_get_triggerdef(t.oid)) ORDER BY t.tgname)
                   FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_language l ON l.oid = p.prolang
                   JOIN pg_namespace pn ON pn.oid = p.pronamespace
                   WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND pn.nspname <> $1), '[]') AS triggers
  FROM (SELECT *, ARRAY(WITH RECURSIVE part(oid) AS (
                          SELECT k.oid UNION SELECT i.inhrelid FROM part p JOIN pg_inherits i ON i.inhparent = p.oid
                          JOIN pg_class r ON r.oid = i.inhrelid AND r.relispartition)
                        SELECT oid FROM part) AS parts FROM pg_class k) AS c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname <> ALL (ARRAY[$1, 'pg_catalog', 'information_schema'])
    AND n.nspname !~ '^pg_(toast|temp)'
  ORDER BY n.nspname, c.relname`;

type Lists = 'columns' | 'parents' | 'links' | 'triggers';
type Row = Omit<ReadTable, Lists> & Record<Lists, string>;

/** @param worth which tables are looked at closely */
export async function readCatalogue(client: pg.Client, worth: (table: ReadTable) => boolean): Promise<Catalogue> {
  const { rows } = await client.query<Row>(TABLES, [SCHEMA]);
  const tables = rows.map(
    ({ columns, parents, links, triggers, ...table }): ReadTable => ({
      ...table,
      columns: JSON.parse(columns),
      parents: JSON.parse(parents),
      links: JSON.parse(links),
      triggers: JSON.parse(triggers),
    }),
  );
  const { rows: self } = await client.query<{ database: string }>('SELECT current_database() AS database');
  const catalogue: Catalogue = { database: self[0]?.database ?? '', tables, shapes: new Map(), written: new Map() };
  for (const table of tables.filter(worth)) {
    const shape = await introspect(client, table.schema, table.name);
    const written = await introspectWritten(client, table.schema, table.name);
    if (shape) catalogue.shapes.set(table.oid, shape);
    if (written) catalogue.written.set(table.oid, written);
  }
  return catalogue;
}
