/** Whether this role may do what the daemon does: use the schema, read what is captured, write what comes from the cloud. */
import { sql } from 'kysely';
import { TABLE_NAMED } from '../../drift/look.js';
import { INSTALL } from '../../errors.js';
import { fail, ok } from '../finding.js';
import type { Check } from '../patient.js';
import { triggersFindings } from './trigger-rights.js';

type Right = { role: string; owner: boolean; lacking: string[] };

export const rights: Check = {
  name: 'rights',
  needs: ['schema'],
  async look({ db }) {
    const { rows } = await sql<Right>`
      SELECT current_user::text AS role,
        (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS owner,
        ARRAY(
          SELECT l.what FROM syncd.capture c CROSS JOIN LATERAL (${sql.raw(TABLE_NAMED)}) AS named
          JOIN pg_class t ON t.oid = named.oid JOIN pg_namespace n ON n.oid = t.relnamespace CROSS JOIN LATERAL (
            SELECT format('%s on %I.%I', r.name, n.nspname, t.relname)
            FROM unnest(CASE c.direction WHEN 'push' THEN ARRAY['SELECT'] ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END) AS r (name)
            WHERE NOT (has_table_privilege(t.oid, r.name) OR r.name <> 'DELETE' AND has_any_column_privilege(t.oid, r.name))
            UNION SELECT format('USAGE on schema %I', n.nspname) WHERE NOT has_schema_privilege(n.oid, 'USAGE')) AS l(what)
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
    const triggers = await triggersFindings(db, role);
    if (triggers.length > 0) return triggers;
    return [
      ok(owner ? `role ${role} may do everything (a superuser)` : `role ${role} may do what it needs, and no more`),
    ];
  },
};
