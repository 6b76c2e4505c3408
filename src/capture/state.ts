/** Reads what an earlier install left in the database and what the connected role may do. Reads only. */
import type pg from 'pg';
import { ADMITTED } from './capture-role.js';
import { CAPTURE, DAEMON, OWNER, SCHEMA, SESSIONS, WRITTEN_BY_DAEMON } from './names.js';

export type InstalledFunction = { name: string; body: string; settings: string[]; owner: string; definer: boolean };
export type InstalledTrigger = {
  schema: string;
  table: string;
  tableOid: string;
  name: string;
  function: string;
  row: boolean;
  enabled: boolean;
  owned: boolean;
};
/** `object` names a table or a sequence by its oid and a schema by its name, `target` as SQL wants it. */
export type Grant = { grantee: string; object: string; target: string; privilege: string };

export type State = {
  database: string;
  user: string;
  superuser: boolean;
  mayCreateRoles: boolean;
  mayCreateSchemas: boolean;
  roles: { name: string; usable: boolean; ours: boolean; bypassesPolicies: boolean }[];
  /** Undefined where there is no schema syncd. */
  schemaOwner: string | undefined;
  functions: InstalledFunction[];
  sequences: string[];
  triggers: InstalledTrigger[];
  /** Explicit grants outside schema syncd to our roles, and on schemas to PUBLIC. */
  grants: Grant[];
  /** `tableOid` is null where the table is gone. */
  captures: { entity_type: string; tableOid: string | null; record: Record<string, unknown> }[];
  /** What was captured until its entity left the configuration, in the form of `captures`. */
  formers: State['captures'];
  outlet: Record<string, string | null> | undefined;
  /** The daemon's role may use schema syncd, and everything in it as it has to: nobody has revoked what install granted. */
  daemonAdmitted: boolean;
  captureRole: {
    /** It may do in the schema what the triggers need. */
    admitted: boolean;
    /** The schema's owner may act as it. */
    joined: boolean;
    /** The connected role may let it. */
    mayJoin: boolean;
    membershipsHaveOptions: boolean;
  };
  /** The daemon's role sees since when the sessions of others have a transaction open. */
  daemonSeesSessions: boolean;
  mayShowSessions: boolean;
};

/** Put on the roles that install makes, so that uninstall takes away no role that was there before. */
export const ROLE_MARK = 'made by syncd install';

const SELF = `
  SELECT current_database() AS database, current_user::text AS user, r.rolsuper AS superuser,
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
                   FROM pg_roles d, pg_namespace n WHERE d.rolname = $2 AND n.nspname = $1), false) AS "daemonAdmitted",
         coalesce((SELECT pg_has_role(d.oid, '${SESSIONS}', 'USAGE') FROM pg_roles d WHERE d.rolname = $2), false) AS "daemonSeesSessions",
         -- Until 15 whoever may create roles may grant every role.
         pg_has_role('${SESSIONS}', 'MEMBER WITH ADMIN OPTION') OR r.rolsuper
           OR r.rolcreaterole AND current_setting('server_version_num')::int < 160000 AS "mayShowSessions"
  FROM pg_roles r WHERE r.rolname = current_user`;

const ROLES = `
  SELECT r.rolname::text AS name, pg_has_role(r.oid, 'USAGE') AS usable, r.rolsuper OR r.rolbypassrls AS "bypassesPolicies",
         coalesce(shobj_description(r.oid, 'pg_authid') = $2, false) AS ours
  FROM pg_roles r WHERE r.rolname = ANY ($1::text[]) ORDER BY 1`;

const FUNCTIONS = `
  SELECT p.proname::text AS name, p.prosrc AS body, coalesce(p.proconfig, '{}') AS settings,
         pg_get_userbyid(p.proowner)::text AS owner, p.prosecdef AS definer
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname = $1 AND p.proname LIKE 'capture\\_%' AND p.prorettype = 'trigger'::regtype ORDER BY 1`;

const CAPTURE_ROLE = `
  SELECT coalesce((SELECT pg_has_role(o.oid, k.oid, 'USAGE') AND pg_has_role(o.oid, k.oid, CASE WHEN v.options THEN 'SET' ELSE 'MEMBER' END)
                   FROM pg_roles o WHERE o.rolname = $2), false) AS joined,
         coalesce(r.rolsuper OR k.oid IS NULL OR pg_has_role(k.oid, 'MEMBER WITH ADMIN OPTION')
                  OR r.rolcreaterole AND NOT v.options, false) AS "mayJoin",
         v.options AS "membershipsHaveOptions"
  FROM (SELECT current_setting('server_version_num')::int >= 160000 AS options) v
  JOIN pg_roles r ON r.rolname = current_user LEFT JOIN pg_roles k ON k.rolname = $1`;

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
        UNION ALL SELECT format('SCHEMA %s', nspname), 'SCHEMA ' || ${quoted('nspname')}, nspacl FROM pg_namespace WHERE nspname <> $1) g
  CROSS JOIN LATERAL aclexplode(g.acl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
  WHERE r.rolname = ANY ($2::text[]) OR a.grantee = 0 AND g.object LIKE 'SCHEMA %'`;

const CAPTURES = `
  SELECT entity_type, to_regclass(table_name)::oid::text AS "tableOid", to_json(c)::text AS record
  FROM syncd.capture c ORDER BY entity_type`;

const FORMERS = `
  SELECT entity_type, to_regclass(table_name)::oid::text AS "tableOid", to_json(f)::text AS record
  FROM syncd.former_captures f ORDER BY entity_type`;

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
    | 'captures'
    | 'formers'
    | 'outlet'
  >;
  const [self] = await rows<Self & { schemaOwner: string | null; hasTables: boolean; hasFormers: boolean }>(SELF, [
    SCHEMA,
    DAEMON,
    WRITTEN_BY_DAEMON,
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
    captures: captures.map(read),
    formers: formers.map(read),
    outlet: outlet[0],
  };
}
