/** Whether this role may do what the daemon does: use the schema, read what is captured, write what comes from the cloud. */
import { sql } from 'kysely';
import { INSTALL } from '../../errors.js';
import { fail, ok } from '../finding.js';
import type { Check } from '../patient.js';

/**
 * A row is written as JSON by PostgreSQL, which calls a cast of the column's type where there is one: inside the capture triggers
 * with the rights of the schema's owner. Whoever owns an enum or a range may make such a cast.
 */
const CASTS = sql<Cast>`
  WITH RECURSIVE part(entity_type, oid) AS (
    SELECT k.entity_type, a.atttypid FROM syncd.capture k
    JOIN pg_attribute a ON a.attrelid = to_regclass(k.table_name) AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT p.entity_type, next.oid FROM part p JOIN pg_type t ON t.oid = p.oid CROSS JOIN LATERAL (
      SELECT t.typbasetype AS oid WHERE t.typtype = 'd'
      UNION ALL SELECT t.typelem WHERE t.typcategory = 'A' AND t.typelem <> 0
      UNION ALL SELECT a.atttypid FROM pg_attribute a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) next
  )
  SELECT format('(%s AS %s)', format_type(c.castsource, NULL), format_type(c.casttarget, NULL)) AS cast, r.rolname AS owner,
         string_agg(DISTINCT p.entity_type, ', ') AS entities
  FROM part p JOIN pg_cast c ON c.castsource = p.oid AND c.casttarget IN ('json'::regtype, 'text'::regtype)
  JOIN pg_proc f ON f.oid = c.castfunc JOIN pg_roles r ON r.oid = f.proowner AND NOT r.rolsuper
  GROUP BY c.castsource, c.casttarget, r.rolname ORDER BY 1`;

type Cast = { cast: string; owner: string; entities: string };

type Right = { role: string; owner: boolean; lacking: string[] };

export const rights: Check = {
  name: 'rights',
  needs: ['schema'],
  async look({ db }) {
    const { rows } = await sql<Right>`
      SELECT current_user::text AS role,
        (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS owner,
        ARRAY(
          SELECT format('%s on %s', r.name, to_regclass(c.table_name)) FROM syncd.capture c
          CROSS JOIN LATERAL unnest(CASE c.direction WHEN 'push' THEN ARRAY['SELECT'] ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END) AS r (name)
          WHERE to_regclass(c.table_name) IS NOT NULL
            AND NOT (has_table_privilege(to_regclass(c.table_name), r.name)
                     OR r.name <> 'DELETE' AND has_any_column_privilege(to_regclass(c.table_name), r.name))
          ORDER BY 1) AS lacking`.execute(db);
    const { role, owner, lacking } = rows[0] as Right;
    if (lacking.length > 0)
      return [
        fail(
          `role ${role} lacks ${lacking.slice(0, 5).join(', ')}${lacking.length > 5 ? ` and ${lacking.length - 5} more` : ''}`,
          'What it may not read it cannot compare or send again; what it may not write stays behind the cloud.',
          `${INSTALL}   # grants exactly what the configuration needs`,
        ),
      ];
    const casts = (await CASTS.execute(db)).rows.map(({ cast, owner: maker, entities }) =>
      fail(
        `a cast ${cast}, written by ${maker}, runs at every sale of ${entities} with the rights of syncd_owner`,
        'Who may write it may read, change and delete all that syncd has, and wait there for whoever installs next.',
        `DROP CAST ${cast};   # or have it read, and its function given to a superuser: ALTER FUNCTION … OWNER TO postgres`,
      ),
    );
    if (casts.length > 0) return casts;
    return [
      ok(owner ? `role ${role} may do everything (a superuser)` : `role ${role} may do what it needs, and no more`),
    ];
  },
};
