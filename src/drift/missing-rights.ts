/**
 * What the triggers of a captured table need and may not do, by the catalogue: somebody has revoked it, a dump was restored without
 * its rights, the table got policies or another owner. Where they may not use the schema syncd they cannot even count their
 * failures, so that nothing else would ever tell. Expressions of SQL over `c`, a row of syncd.capture; a superuser may do everything.
 */
import { CALLED, DRAWN, FILLED } from '../capture/capture-role.js';

const quoted = (name: string) => `'"' || replace(${name}::text, '"', '""') || '"'`;

/** The generated functions, each with whom it runs as. */
const RUNS = `
    SELECT p.oid, p.prosrc AS body, r.oid AS owner, r.rolsuper OR r.rolbypassrls AS past_policies
    FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace AND s.nspname = 'syncd' JOIN pg_roles r ON r.oid = p.proowner
    WHERE p.proname::text = ANY (c.functions) AND p.prosecdef`;

/** In the schema syncd. */
const WITHIN = [
  `SELECT 'use the schema syncd' WHERE NOT has_schema_privilege(f.owner, 'syncd', 'USAGE')`,
  ...FILLED.map(
    (table) =>
      `SELECT 'add to syncd.${table}' WHERE NOT has_table_privilege(f.owner, to_regclass('syncd.${table}'), 'INSERT')`,
  ),
  `SELECT format('draw from %s', q.name) FROM (VALUES ('syncd.${DRAWN}'), (c.failures)) AS q(name)
      WHERE NOT has_sequence_privilege(f.owner, to_regclass(q.name), 'USAGE')`,
  `SELECT format('call syncd.%s', p.proname) FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace AND s.nspname = 'syncd'
      WHERE p.proname IN (${CALLED.map((one) => `'${one.replace(/\(.*/, '')}'`).join(', ')}) AND NOT has_function_privilege(f.owner, p.oid, 'EXECUTE')`,
];

/** Of the tables whose rows they read again. */
const AGAIN = `SELECT format(CASE WHEN read.may THEN 'read %I.%I past its policies' ELSE 'read %I.%I' END, n.nspname, r.relname)
      FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
      CROSS JOIN LATERAL (SELECT has_table_privilege(f.owner, r.oid, 'SELECT') AND has_schema_privilege(f.owner, n.oid, 'USAGE') AS may) AS read
      WHERE EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = r.oid AND t.tgfoid = f.oid)
        AND strpos(f.body, ' ' || ${quoted('n.nspname')} || '.' || ${quoted('r.relname')} || ' AS t ON ') > 0
        AND (NOT read.may OR r.relrowsecurity AND NOT f.past_policies
             AND NOT (NOT r.relforcerowsecurity AND pg_has_role(f.owner, r.relowner, 'USAGE')))`;

/** As text[], in words that follow "may not". */
export const TRIGGERS_LACK = `ARRAY(
  SELECT DISTINCT l.what FROM (${RUNS}
  ) AS f CROSS JOIN LATERAL (
    ${[...WITHIN, AGAIN].join('\n    UNION ALL ')}
  ) AS l(what) ORDER BY 1)`;

/**
 * As text[]: the owners of partitioned tables to whose new partitions PostgreSQL would clone a trigger that the owner may not
 * execute, so that it makes no partition at all.
 */
export const OWNERS_LACK = `ARRAY(
  SELECT DISTINCT format('%I', pg_get_userbyid(r.relowner)) FROM (${RUNS}
  ) AS f JOIN pg_trigger t ON t.tgfoid = f.oid AND t.tgtype & 1 = 1 JOIN pg_class r ON r.oid = t.tgrelid AND r.relkind = 'p'
  WHERE NOT has_function_privilege(r.relowner, f.oid, 'EXECUTE') ORDER BY 1)`;
