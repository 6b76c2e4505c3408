/** What PostgreSQL tells of itself and of the captured tables; names and figures, never a row and never a statement's text. */
import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../db/connect.js';

async function listed(db: Db, query: RawBuilder<unknown>): Promise<unknown> {
  const { rows } = await sql<{
    list: string;
  }>`SELECT coalesce(json_agg(t), '[]')::text AS list FROM (${query}) t`.execute(db);
  return JSON.parse((rows[0] as { list: string }).list);
}

export const relations = (db: Db) =>
  listed(
    db,
    sql`
    SELECT c.*, (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
                                                   'identity', a.attidentity <> '', 'generated', a.attgenerated <> '') ORDER BY a.attnum)
                 FROM pg_attribute a WHERE a.attrelid = to_regclass(c.table_name) AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
           (SELECT json_agg(pg_get_constraintdef(k.oid) ORDER BY k.conname) FROM pg_constraint k WHERE k.conrelid = to_regclass(c.table_name)) AS constraints
    FROM syncd.capture c ORDER BY c.entity_type`,
  );

export const triggers = (db: Db) =>
  listed(
    db,
    sql`
    SELECT t.tgrelid::regclass::text AS table_name, t.tgname AS name, t.tgenabled AS enabled, pg_get_triggerdef(t.oid) AS definition
    FROM pg_trigger t WHERE NOT t.tgisinternal AND (t.tgname LIKE '!syncd %' OR t.tgrelid IN (SELECT to_regclass(table_name) FROM syncd.capture))
    ORDER BY 1, 2`,
  );

export const migrations = (db: Db) => listed(db, sql`SELECT * FROM syncd.migrations ORDER BY name`);

export const sizes = (db: Db) =>
  listed(
    db,
    sql`
    SELECT s.schemaname || '.' || s.relname AS table_name, pg_table_size(s.relid) AS bytes, pg_indexes_size(s.relid) AS index_bytes,
           s.n_live_tup AS rows, s.n_dead_tup AS dead_rows, s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze
    FROM pg_stat_all_tables s
    WHERE s.schemaname = 'syncd' OR s.relid IN (SELECT to_regclass(table_name) FROM syncd.capture) ORDER BY 1`,
  );

/** Some settings hold a password or a key's place: those are named only. */
export const serverSettings = (db: Db) =>
  listed(
    db,
    sql`
    SELECT name, CASE WHEN name ~ 'conninfo|passphrase|command|key|token' THEN '***' ELSE setting END AS setting, unit, source
    FROM pg_settings WHERE source NOT IN ('default', 'override', 'client') OR name IN ('server_version', 'max_connections', 'shared_buffers') ORDER BY name`,
  );

export const activity = (db: Db) =>
  listed(
    db,
    sql`
    SELECT pid, usename, application_name, state, wait_event_type, wait_event, backend_start, xact_start, state_change, backend_type
    FROM pg_stat_activity WHERE datname = current_database() ORDER BY xact_start NULLS LAST`,
  );
