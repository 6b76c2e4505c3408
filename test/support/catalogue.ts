/** Everything a database is made of, as comparable lines: what an install or an uninstall left behind shows as a difference. */
import type pg from 'pg';

const EVERYTHING = `
  SELECT 'role ' || rolname || ' ' || coalesce(shobj_description(oid, 'pg_authid'), '') AS line FROM pg_roles WHERE rolname !~ '^pg_'
  UNION ALL SELECT 'schema ' || nspname || ' ' || coalesce(nspacl, acldefault('n', nspowner))::text FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
  UNION ALL SELECT 'relation ' || c.oid::regclass || ' ' || c.relkind::text || ' ' || pg_get_userbyid(relowner) || ' '
    || coalesce((SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))) a), '')
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  UNION ALL SELECT 'function ' || p.oid::regprocedure || ' ' || md5(prosrc) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema')
  UNION ALL SELECT 'type ' || t.oid::regtype FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  UNION ALL SELECT 'trigger ' || tgname || ' on ' || tgrelid::regclass || ' ' || tgenabled::text FROM pg_trigger
  UNION ALL SELECT 'constraint ' || conname || ' on ' || conrelid::regclass FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema')
  UNION ALL SELECT 'default rights ' || defaclacl::text FROM pg_default_acl
  UNION ALL SELECT 'comment ' || d.description FROM pg_description d WHERE objoid >= 16384
  UNION ALL SELECT 'setting ' || array_to_string(setconfig, ',') FROM pg_db_role_setting
  UNION ALL SELECT 'extension ' || extname FROM pg_extension
  ORDER BY 1`;

export async function catalogue(client: pg.Client): Promise<string[]> {
  return (await client.query<{ line: string }>(EVERYTHING)).rows.map(({ line }) => line);
}
