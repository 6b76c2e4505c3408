/**
 * Reads from the catalogue what the plan needs to know of one table. Reads only, in the caller's transaction; whatever changes
 * afterwards is found by the next install.
 */
import type pg from 'pg';
import { changedInBetween, WRITTEN_BY_FUNCTIONS } from './in-between.js';
import type { Column, Member, TableShape, UniqueIndex, Written } from './shape.js';

const TABLE = `
  WITH RECURSIVE ${WRITTEN_BY_FUNCTIONS}
  SELECT c.oid::text AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind, c.relpersistence AS persistence,
         c.relispartition AS partition, c.relrowsecurity AS "rowSecurity",
         ARRAY(SELECT i.inhparent::text FROM pg_inherits i WHERE i.inhrelid = c.oid) AS parents,
         ARRAY(SELECT w.rulename::text FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type IN ('2', '3', '4') AND w.ev_enabled IN ('O', 'A')
               ORDER BY 1) AS rules,
         ${changedInBetween('c.oid')} AS "changedInBetween"
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`;

// Walks each column's type down to what its text is finally made of.
const COLUMNS = `
  WITH RECURSIVE part(number, oid, in_text) AS (
    SELECT a.attnum, a.atttypid, false FROM pg_attribute a WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT p.number, next.oid, p.in_text OR next.in_text
    FROM part p JOIN pg_type t ON t.oid = p.oid
    CROSS JOIN LATERAL (
      SELECT t.typbasetype AS oid, false AS in_text WHERE t.typtype = 'd'
      UNION ALL SELECT t.typelem, false WHERE t.typcategory = 'A' AND t.typelem <> 0
      UNION ALL SELECT r.rngsubtype, true FROM pg_range r
        WHERE r.rngtypid = t.oid OR (to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid
      UNION ALL SELECT a.atttypid, false FROM pg_attribute a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) next
  )
  SELECT a.attname AS name, a.attnum::int AS number, format_type(a.atttypid, a.atttypmod) AS type,
         a.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND NOT k.convalidated
                                        AND k.conkey = ARRAY[a.attnum]) AS "notNull",
         a.attgenerated::text AS generated,
         coalesce(bool_and(t.typtype IN ('b', 'e', 'd') AND t.typcategory <> 'A'), false) AS scalar,
         coalesce(json_agg(json_build_object('schema', n.nspname, 'name', t.typname, 'kind', t.typtype, 'builtin', t.oid < 16384,
                  'inText', p.in_text, 'castToJson', t.oid >= 16384 AND EXISTS (
                    SELECT FROM pg_cast k WHERE k.castsource = t.oid AND k.casttarget = 'json'::regtype AND k.castmethod = 'f'))) FILTER (WHERE t.typtype IN ('b', 'e') AND t.typcategory <> 'A'), '[]') AS parts
  FROM pg_attribute a JOIN part p ON p.number = a.attnum JOIN pg_type t ON t.oid = p.oid JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE a.attrelid = $1::oid
  GROUP BY a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attgenerated ORDER BY a.attnum`;

const TYPE_SCHEMAS = `
  WITH RECURSIVE part(oid) AS (
    SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
    UNION SELECT next.oid FROM part p JOIN pg_type t ON t.oid = p.oid
    CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) AS next(oid) WHERE next.oid <> 0
  )
  SELECT DISTINCT n.nspname::text AS name FROM part p JOIN pg_type t ON t.oid = p.oid JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`;

const INDEXES = `
  SELECT c.relname AS name, i.indisprimary AS primary,
         i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AS usable,
         array_agg(a.attname::text ORDER BY k.place) AS columns,
         array_agg(format('OPERATOR(%I.%s)', os.nspname, o.oprname) ORDER BY k.place) AS operators
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k(number, class, place)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
  JOIN pg_opclass oc ON oc.oid = k.class
  JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3 AND ao.amoplefttype = oc.opcintype
                 AND ao.amoprighttype = oc.opcintype
  JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace os ON os.oid = o.oprnamespace
  WHERE i.indrelid = $1::oid AND i.indisunique AND k.place <= i.indnkeyatts
  GROUP BY c.relname, i.indexrelid, i.indisprimary, i.indisvalid, i.indimmediate, i.indpred, i.indexprs ORDER BY c.relname`;

const MEMBERS = `
  WITH RECURSIVE member(oid, depth) AS (
    SELECT $1::oid, 0
    UNION SELECT i.inhrelid, m.depth + 1 FROM member m JOIN pg_inherits i ON i.inhparent = m.oid
  )
  SELECT n.nspname AS schema, c.relname AS name, c.oid::text AS oid, c.relkind::text AS kind, m.depth, c.relispartition AS partition,
         pg_get_userbyid(c.relowner)::text AS owner, has_table_privilege(c.oid, 'TRIGGER') AS "mayTrigger", pg_has_role(c.relowner, 'USAGE') AS owned
  FROM (SELECT oid, min(depth) AS depth FROM member GROUP BY oid) m JOIN pg_class c ON c.oid = m.oid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  ORDER BY m.depth, n.nspname, c.relname`;

// What its defaults draw from, and its identity columns: applying keeps both ahead of the numbers that it brings.
const WRITTEN = `
  SELECT c.oid::text AS oid, n.nspname AS schema, c.relname AS name,
         coalesce((SELECT json_agg(DISTINCT jsonb_build_object('schema', sn.nspname, 'name', s.relname, 'oid', s.oid::text))
                   FROM (SELECT p.refobjid AS oid FROM pg_attrdef d
                         JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
                         WHERE d.adrelid = c.oid
                         UNION ALL
                         SELECT i.objid FROM pg_depend i
                         WHERE i.classid = 'pg_class'::regclass AND i.refclassid = 'pg_class'::regclass AND i.refobjid = c.oid AND i.deptype = 'i') AS drawn
                   JOIN pg_class s ON s.oid = drawn.oid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace), '[]') AS sequences
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind IN ('r', 'p')`;

/** What a right to write there needs; undefined where there is no such table. */
export async function introspectWritten(client: pg.Client, schema: string, name: string): Promise<Written | undefined> {
  const { rows } = await client.query<Omit<Written, 'sequences'> & { sequences: string }>(WRITTEN, [schema, name]);
  return rows[0] && { ...rows[0], sequences: JSON.parse(rows[0].sequences) };
}

/** The table's shape; undefined where there is no such table. */
export async function introspect(client: pg.Client, schema: string, name: string): Promise<TableShape | undefined> {
  const { rows } = await client.query<
    Omit<TableShape, 'columns' | 'columnsOfChildren' | 'typeSchemas' | 'indexes' | 'members'>
  >(TABLE, [schema, name]);
  const [table] = rows;
  if (!table) return undefined;
  const columns = await columnsOf(client, table.oid);
  const indexes = await client.query<UniqueIndex>(INDEXES, [table.oid]);
  const members = await client.query<Member>(MEMBERS, [table.oid]);
  const typeSchemas = await client.query<{ name: string }>(TYPE_SCHEMAS, [members.rows.map(({ oid }) => oid)]);
  const columnsOfChildren: Column[] = [];
  for (const child of members.rows.filter(({ depth, partition }) => depth > 0 && !partition)) {
    const theirs = await columnsOf(client, child.oid);
    columnsOfChildren.push(...theirs.filter((column) => !columns.some(({ name }) => name === column.name)));
  }
  return {
    ...table,
    columns,
    columnsOfChildren,
    typeSchemas: typeSchemas.rows.map(({ name }) => name),
    indexes: indexes.rows,
    members: members.rows,
  };
}

async function columnsOf(client: pg.Client, oid: string): Promise<Column[]> {
  const { rows } = await client.query<Omit<Column, 'parts'> & { parts: string }>(COLUMNS, [oid]);
  return rows.map((column) => ({ ...column, parts: JSON.parse(column.parts) }));
}
