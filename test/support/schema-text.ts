/** Schema `syncd` as text: what a migration changes shows as a difference that a reviewer can read. */
import type pg from 'pg';

// View bodies are left out: the servers print them differently. So is what Kysely keeps for itself.
const SCHEMA = `
  WITH relation AS (
    SELECT c.* FROM pg_class c WHERE c.relnamespace = 'syncd'::regnamespace AND c.relkind IN ('r', 'v', 'S') AND c.relname !~ '^(kysely|failures)_'
  )
  SELECT line FROM (
    SELECT relname AS a, 0 AS b, '' AS c, CASE relkind WHEN 'r' THEN 'table ' WHEN 'v' THEN 'view ' ELSE 'sequence ' END || relname
      || coalesce(' with ' || array_to_string(reloptions, ', '), '')
      || CASE WHEN relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.objid = r.oid AND d.deptype IN ('a', 'i')) THEN ' of a column'
              ELSE ' -- ' || coalesce(obj_description(oid, 'pg_class'), '?') END AS line FROM relation r
    UNION ALL
    SELECT relname, 1, lpad(attnum::text, 3), '  ' || attname || ' ' || format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END
      || CASE attidentity WHEN '' THEN '' ELSE ' identity' END || coalesce(' default ' || pg_get_expr(adbin, adrelid), '')
      || CASE relkind WHEN 'r' THEN ' -- ' || coalesce(col_description(attrelid, attnum), '?') ELSE '' END
    FROM relation r JOIN pg_attribute a ON attrelid = r.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE relkind <> 'S'
    UNION ALL
    SELECT relname, 2, conname, '  constraint "' || conname || '" ' || pg_get_constraintdef(k.oid)
    FROM relation r JOIN pg_constraint k ON conrelid = r.oid AND contype <> 'n'
    UNION ALL
    SELECT r.relname, 3, i.relname, '  ' || pg_get_indexdef(i.oid)
    FROM relation r JOIN pg_index x ON indrelid = r.oid JOIN pg_class i ON i.oid = indexrelid AND NOT indisprimary
    UNION ALL
    SELECT '~function ' || proname, 4, '', 'function ' || proname || '(' || pg_get_function_identity_arguments(oid) || ') '
      || CASE WHEN prosecdef THEN 'security definer ' ELSE '' END || '-- ' || coalesce(obj_description(oid, 'pg_proc'), '?')
    FROM pg_proc WHERE pronamespace = 'syncd'::regnamespace AND proname !~ '^capture_'
    UNION ALL
    SELECT '~enum ' || typname, 5, '', 'enum ' || typname || ' -- ' || coalesce(obj_description(oid, 'pg_type'), '?')
    FROM pg_type WHERE typnamespace = 'syncd'::regnamespace AND typtype = 'e'
  ) lines ORDER BY a COLLATE "C", b, c COLLATE "C"`;

export async function schemaText(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ line: string }>(SCHEMA);
  return `${rows.map(({ line }) => line).join('\n')}\n`;
}
