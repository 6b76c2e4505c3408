/** Reads what an earlier install left in the database and what the connected role may do. Reads only. */
import type pg from 'pg';
import { ADMITTED } from './capture-role.js';
import { CALLED_BY_DAEMON, CAPTURE, DAEMON, OWNER, SCHEMA, SESSIONS, WRITTEN_BY_DAEMON } from './names.js';
import { ROLE_MARK, type State } from './state.js';

const SELF = `
  SELECT current_database() AS database, current_user::text AS user, r.rolsuper AS superuser, r.rolinherit AS inherits,
         r.rolbypassrls AND r.rolcreaterole AND current_setting('server_version_num')::int >= 160000 AS "mayPassPolicies",
         r.rolsuper OR r.rolcreaterole AS "mayCreateRoles",
         has_database_privilege(current_database(), 'CREATE') AS "mayCreateSchemas",
         (SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = $1) AS "schemaOwner",
         to_regclass('syncd.capture') IS NOT NULL AS "hasTables", to_regclass('syncd.former_captures') IS NOT NULL AS "hasFormers",
         coalesce((SELECT has_schema_privilege(d.oid, n.oid, 'USAGE') AND NOT EXISTS (
                            SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND CASE c.relkind
                              WHEN 'S' THEN NOT has_sequence_privilege(d.oid, c.oid, 'USAGE, SELECT')
                              WHEN 'v' THEN NOT has_table_privilege(d.oid, c.oid, 'SELECT')
                              WHEN 'r' THEN NOT has_table_privilege(d.oid, c.oid, 'SELECT') OR c.relname = ANY ($3::text[])
                                AND NOT (has_table_privilege(d.oid, c.oid, 'INSERT') AND has_table_privilege(d.oid, c.oid, 'UPDATE')
                                         AND has_table_privilege(d.oid, c.oid, 'DELETE')) END)
                          AND NOT EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = n.oid AND p.proname = ANY ($4::text[])
                                            AND NOT has_function_privilege(d.oid, p.oid, 'EXECUTE'))
                   FROM pg_roles d, pg_namespace n WHERE d.rolname = $2 AND n.nspname = $1), false) AS "daemonAdmitted",
         coalesce((SELECT pg_has_role(d.oid, '${SESSIONS}', 'USAGE') FROM pg_roles d WHERE d.rolname = $2), false) AS "daemonSeesSessions",
         (SELECT bool_or(has_database_privilege(d.name, current_database(), 'CONNECT'))
          FROM (SELECT 'public' UNION ALL SELECT rolname::text FROM pg_roles WHERE rolname = $2) AS d(name)) AS "daemonConnects",
         -- Until 15 whoever may create roles may grant every role.
         pg_has_role('${SESSIONS}', 'MEMBER WITH ADMIN OPTION') OR r.rolsuper
           OR r.rolcreaterole AND current_setting('server_version_num')::int < 160000 AS "mayShowSessions"
  FROM pg_roles r WHERE r.rolname = current_user`;

/** Since 16 a membership may let its member have the rights of a role, or become it, or neither. */
const OPTIONS = `(SELECT current_setting('server_version_num')::int >= 160000 AS options) v`;
const mayActAs = (member: string, role: string) =>
  `pg_has_role(${member}, ${role}, 'USAGE') AND pg_has_role(${member}, ${role}, CASE WHEN v.options THEN 'SET' ELSE 'MEMBER' END)`;
const mayLet = (self: string, role: string) =>
  `${self}.rolsuper OR pg_has_role(${role}, 'MEMBER WITH ADMIN OPTION') OR ${self}.rolcreaterole AND NOT v.options`;

const ROLES = `
  SELECT r.rolname::text AS name, ${mayActAs('me.oid', 'r.oid')} AS usable, ${mayLet('me', 'r.oid')} AS "mayTake",
         r.rolsuper OR r.rolbypassrls AS "bypassesPolicies", coalesce(shobj_description(r.oid, 'pg_authid') = $2, false) AS ours
  FROM ${OPTIONS} CROSS JOIN pg_roles r JOIN pg_roles me ON me.rolname = current_user
  WHERE r.rolname = ANY ($1::text[]) ORDER BY 1`;

const FUNCTIONS = `
  SELECT p.proname::text AS name, p.prosrc AS body, coalesce(p.proconfig, '{}') AS settings,
         pg_get_userbyid(p.proowner)::text AS owner, pg_has_role(p.proowner, 'USAGE') AS owned, p.prosecdef AS definer,
         ARRAY(SELECT pg_get_userbyid(a.grantee)::text FROM aclexplode(p.proacl) a WHERE a.grantee <> 0 ORDER BY 1) AS executors
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname = $1 AND p.proname LIKE 'capture\\_%' AND p.prorettype = 'trigger'::regtype ORDER BY 1`;

const CAPTURE_ROLE = `
  SELECT coalesce((SELECT ${mayActAs('o.oid', 'k.oid')} FROM pg_roles o WHERE o.rolname = $2), false) AS joined,
         coalesce(k.oid IS NULL OR ${mayLet('r', 'k.oid')}, false) AS "mayJoin", v.options AS "membershipsHaveOptions"
  FROM ${OPTIONS} JOIN pg_roles r ON r.rolname = current_user LEFT JOIN pg_roles k ON k.rolname = $1`;

const SEQUENCES = `
  SELECT c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relkind = 'S' AND c.relname LIKE 'failures\\_%' ORDER BY 1`;

const TRIGGERS = `
  SELECT tn.nspname::text AS schema, c.relname::text AS table, c.oid::text AS "tableOid", t.tgname::text AS name,
         p.proname::text AS function, t.tgtype & 1 = 1 AS row, t.tgenabled IN ('O', 'A') AS enabled,
         pg_has_role(c.relowner, 'USAGE') AS owned
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace tn ON tn.oid = c.relnamespace
  WHERE n.nspname = $1 AND NOT t.tgisinternal AND t.tgparentid = 0 ORDER BY 1, 2, 4`;

/** Always in quotes, as names/qualified writes it. */
const quoted = (name: string) => `'"' || replace(${name}::text, '"', '""') || '"'`;

const GRANTS = `
  SELECT coalesce(r.rolname::text, 'PUBLIC') AS grantee, g.object, g.target, a.privilege_type AS privilege
  FROM (SELECT format('TABLE %s', c.oid) AS object, 'TABLE ' || ${quoted('n.nspname')} || '.' || ${quoted('c.relname')} AS target, c.relacl AS acl
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname <> $1 AND c.relkind IN ('r', 'p')
        UNION ALL SELECT format('SEQUENCE %s', c.oid), 'SEQUENCE ' || ${quoted('n.nspname')} || '.' || ${quoted('c.relname')}, c.relacl
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname <> $1 AND c.relkind = 'S'
        UNION ALL SELECT format('SCHEMA %s', nspname), 'SCHEMA ' || ${quoted('nspname')}, nspacl FROM pg_namespace WHERE nspname <> $1
        UNION ALL SELECT format('DATABASE %s', datname), 'DATABASE ' || ${quoted('datname')}, datacl FROM pg_database
        WHERE datname = current_database()) g
  CROSS JOIN LATERAL aclexplode(g.acl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
  WHERE r.rolname = ANY ($2::text[]) OR a.grantee = 0 AND g.object LIKE 'SCHEMA %'`;

/** None of a superuser's, nor of PostgreSQL's own: a membership in these is no advice. */
const ownerNamed = (owner: string) =>
  `(SELECT o.rolname::text FROM pg_roles o WHERE o.oid = ${owner} AND NOT o.rolsuper AND o.oid >= 16384)`;

const GRANTABLE = `
  SELECT format('%s %s', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid) AS object, ${ownerNamed('c.relowner')} AS owner,
         ARRAY(SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'USAGE']) AS p WHERE CASE
                 WHEN c.relkind = 'S' THEN p NOT IN ('INSERT', 'DELETE') AND has_sequence_privilege(c.oid, p || ' WITH GRANT OPTION')
                 ELSE p <> 'USAGE' AND has_table_privilege(c.oid, p || ' WITH GRANT OPTION') END) AS privileges
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname NOT IN ($1, 'pg_catalog', 'information_schema')
  UNION ALL SELECT format('SCHEMA %s', nspname), ${ownerNamed('nspowner')},
         ARRAY(SELECT 'USAGE' WHERE has_schema_privilege(oid, 'USAGE WITH GRANT OPTION')) FROM pg_namespace
  UNION ALL SELECT format('DATABASE %s', datname), ${ownerNamed('datdba')},
         ARRAY(SELECT 'CONNECT' WHERE has_database_privilege(oid, 'CONNECT WITH GRANT OPTION')) FROM pg_database
  WHERE datname = current_database()`;

const CAPTURES = `
  SELECT entity_type, to_regclass(table_name)::oid::text AS "tableOid", to_json(c)::text AS record
  FROM syncd.capture c ORDER BY entity_type`;

const FORMERS = `
  SELECT entity_type, to_regclass(table_name)::oid::text AS "tableOid", to_json(f)::text AS record
  FROM syncd.former_captures f ORDER BY entity_type`;

/** Reads all that a plan asks of the database; where syncd has no schema yet there are no captures and no outlet. */
export async function readState(client: pg.Client): Promise<State> {
  const rows = async <T extends pg.QueryResultRow>(query: string, values: unknown[]) =>
    (await client.query<T>(query, values)).rows;
  type Self = Omit<
    State,
    | 'schemaOwner'
    | 'roles'
    | 'captureRole'
    | 'functions'
    | 'sequences'
    | 'triggers'
    | 'grants'
    | 'grantable'
    | 'captures'
    | 'formers'
    | 'outlet'
  >;
  const [self] = await rows<Self & { schemaOwner: string | null; hasTables: boolean; hasFormers: boolean }>(SELF, [
    SCHEMA,
    DAEMON,
    WRITTEN_BY_DAEMON,
    CALLED_BY_DAEMON.map((signature) => signature.replace(/\(.*/, '')),
  ]);
  if (!self) throw new Error('the current role is not in pg_roles');
  const { hasTables, hasFormers, schemaOwner, ...who } = self;
  type Capture = { entity_type: string; tableOid: string | null; record: string };
  const read = (capture: Capture) => ({ ...capture, record: JSON.parse(capture.record) });
  const captures = hasTables ? await rows<Capture>(CAPTURES, []) : [];
  const formers = hasFormers ? await rows<Capture>(FORMERS, []) : [];
  const outlet = hasTables
    ? await rows<Record<string, string | null>>(
        'SELECT outlet_id, code, timezone, cloud_url FROM syncd.outlet_config',
        [],
      )
    : [];
  const [captureRole] = await rows<Omit<State['captureRole'], 'admitted'>>(CAPTURE_ROLE, [CAPTURE, OWNER]);
  const [admission] = hasTables ? await rows<{ admitted: boolean | null }>(ADMITTED, [CAPTURE]) : [];
  return {
    ...who,
    schemaOwner: schemaOwner ?? undefined,
    roles: await rows(ROLES, [[OWNER, CAPTURE, DAEMON], ROLE_MARK]),
    captureRole: { ...(captureRole as State['captureRole']), admitted: admission?.admitted === true },
    functions: await rows(FUNCTIONS, [SCHEMA]),
    sequences: (await rows<{ name: string }>(SEQUENCES, [SCHEMA])).map((sequence) => sequence.name),
    triggers: await rows(TRIGGERS, [SCHEMA]),
    grants: await rows(GRANTS, [SCHEMA, [OWNER, CAPTURE, DAEMON]]),
    grantable: who.superuser ? undefined : await rows(GRANTABLE, [SCHEMA]),
    captures: captures.map(read),
    formers: formers.map(read),
    outlet: outlet[0],
  };
}
