/**
 * With whose rights the capture triggers run, and who may have something of his own run in them. A row is written as JSON by
 * PostgreSQL, which calls a cast of the column's type where there is one, and whoever owns an enum or a range may make such a cast.
 */
import { sql } from 'kysely';
import { CAPTURE, OWNER, SCHEMA } from '../../capture/names.js';
import type { Db } from '../../db/connect.js';
import { INSTALL } from '../../errors.js';
import { fail, type Unnamed, warn } from '../finding.js';

type Run = { as_whom: string; entities: string };

const STRANGE_OWNERS = sql<Run>`
  SELECT f.as_whom, string_agg(DISTINCT f.entity_type, ', ') AS entities
  FROM (SELECT k.entity_type, CASE WHEN p.prosecdef THEN pg_get_userbyid(p.proowner)::text ELSE 'whoever sells' END AS as_whom
        FROM syncd.capture k JOIN pg_proc p ON p.proname::text = ANY (k.functions)
        WHERE p.pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = ${SCHEMA})) f
  WHERE f.as_whom <> ${CAPTURE} GROUP BY 1 ORDER BY 1`;

const SURPLUS = sql<{ surplus: string[] }>`
  SELECT ARRAY(
    SELECT 'superuser' WHERE k.rolsuper
    UNION ALL SELECT 'log in' WHERE k.rolcanlogin
    UNION ALL SELECT 'create roles' WHERE k.rolcreaterole
    UNION ALL SELECT format('act as %s', pg_get_userbyid(m.roleid)) FROM pg_auth_members m WHERE m.member = k.oid
    UNION ALL SELECT format('create in schema %s', n.nspname) WHERE has_schema_privilege(k.oid, n.oid, 'CREATE')
    UNION ALL SELECT format('%s %s.%s', p.name, n.nspname, c.relname) FROM pg_class c
      CROSS JOIN unnest(ARRAY['SELECT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p(name)
      WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'v') AND has_table_privilege(k.oid, c.oid, p.name)) AS surplus
  FROM pg_roles k, pg_namespace n WHERE k.rolname = ${CAPTURE} AND n.nspname = ${SCHEMA}`;

/** Where whoever had let it was dropped, his grants went with him. */
const UNJOINED = sql<{ unjoined: boolean }>`
  SELECT NOT (pg_has_role(o.oid, k.oid, 'USAGE') AND pg_has_role(o.oid, k.oid, CASE WHEN v.options THEN 'SET' ELSE 'MEMBER' END)) AS unjoined
  FROM pg_roles o, pg_roles k, (SELECT current_setting('server_version_num')::int >= 160000 AS options) v
  WHERE o.rolname = ${OWNER} AND k.rolname = ${CAPTURE}`;

type Cast = { cast: string; owner: string; entities: string };

const CASTS = sql<Cast>`
  WITH RECURSIVE part(entity_type, oid) AS (
    SELECT k.entity_type, a.atttypid FROM syncd.capture k
    JOIN pg_class t ON t.relname = (parse_ident(k.table_name))[2]
    JOIN pg_namespace s ON s.oid = t.relnamespace AND s.nspname = (parse_ident(k.table_name))[1]
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
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

/** @param daemon the role that compares the tables and sends their rows again */
export async function triggersFindings(db: Db, daemon: string): Promise<Unnamed[]> {
  const runs = (await STRANGE_OWNERS.execute(db)).rows.map(({ as_whom, entities }) =>
    fail(
      `the triggers of ${entities} run with the rights of ${as_whom}, not of ${CAPTURE}`,
      'A cast that a role of the POS writes for a type of its own has them at every sale: those of syncd_owner let it read, change and delete all that syncd has, and wait there for whoever installs next. With those of whoever sells nothing is captured.',
      `${INSTALL}   # gives them to ${CAPTURE}`,
    ),
  );
  const surplus = (await SURPLUS.execute(db)).rows[0]?.surplus ?? [];
  const unjoined = (await UNJOINED.execute(db)).rows[0]?.unjoined === true;
  const rich = `role ${CAPTURE} may do more than the triggers need: ${surplus.slice(0, 5).join(', ')}${surplus.length > 5 ? ` and ${surplus.length - 5} more` : ''}`;
  const casts = (await CASTS.execute(db)).rows.map(({ cast, owner, entities }) =>
    warn(
      `a cast ${cast}, written by ${owner}, runs at every sale of ${entities} with the rights of ${CAPTURE}, and with those of ${daemon} when the tables are compared or sent again`,
      `What it does as ${daemon} may read, change and delete what waits in the queue.`,
      `DROP CAST ${cast};   # or have it read, and its function given to a superuser: ALTER FUNCTION … OWNER TO postgres`,
    ),
  );
  return [
    ...runs,
    ...(surplus.length > 0
      ? [
          fail(
            rich,
            'A cast that a role of the POS writes for a type of its own runs with its rights at every sale.',
            'sudo -u postgres psql   # and REVOKE it: install has granted none of this',
          ),
        ]
      : []),
    ...(unjoined
      ? [
          fail(
            `${OWNER} may not act as ${CAPTURE}`,
            'Then the triggers cannot step aside: neither by syncd capture --suspend nor when the disk is full.',
            `${INSTALL}   # lets it`,
          ),
        ]
      : []),
    ...casts,
  ];
}
