/**
 * Reads what drift is told by: every captured table as install recorded it, as the catalogue has it now, and what is known of it
 * already. One statement with one snapshot; it takes no lock on any table of the POS, so a table may be dropped, renamed or
 * altered at any moment.
 */
import { sql } from 'kysely';
import { changedInBetween, WRITTEN_BY_FUNCTIONS } from '../capture/in-between.js';
import { CAPTURE, columnName, DAEMON, OWNER, parseTable, qualified } from '../capture/names.js';
import type { Direction, Settings } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import type { DriftKind } from './kinds.js';
import { marksOf } from './marks.js';
import { OWNERS_LACK, TRIGGERS_LACK } from './missing-rights.js';
import type { Observed, Shape } from './shape.js';

/** What the last look wrote down. */
export type Known = {
  kind: DriftKind | null;
  text: string | null;
  hint: string | null;
  misses: boolean;
  holdsPush: boolean;
  holdsApply: boolean;
  marks: string | null;
};

export type Looked = { tables: (Observed & { known: Known; marks: string })[]; replicas: string[] };

type Row = {
  entity_type: string;
  table_name: string;
  direction: Direction;
  keys: string[];
  excluded: string[];
  generator: string | null;
  recorded: string | null;
  named: string | null;
  original: string | null;
  rereads: boolean;
  outrun: boolean;
  policed: boolean;
  invoked: boolean;
  lacking: string[];
  shut_out: string[];
  suspended: boolean;
  known: string;
};

/** The table of a captured entity by its name: not by to_regclass, which fails where the schema may not be used. */
export const TABLE_NAMED = `SELECT k.oid FROM pg_catalog.pg_class k JOIN pg_catalog.pg_namespace s ON s.oid = k.relnamespace
  WHERE k.relname = (pg_catalog.parse_ident(c.table_name))[2] AND s.nspname = (pg_catalog.parse_ident(c.table_name))[1]
    AND k.relkind IN ('r', 'p')`;

export async function lookForDrift(db: Db, settings: Pick<Settings, 'entities'>): Promise<Looked> {
  const { rows } = await sql<Row>`
    WITH RECURSIVE ${sql.raw(WRITTEN_BY_FUNCTIONS)}
    SELECT c.entity_type, c.table_name, c.direction, c.keys, c.excluded, c.generator, c.recorded::text AS recorded,
           syncd.table_shape(named.oid)::text AS named,
           CASE WHEN named.oid IS DISTINCT FROM was.oid THEN syncd.table_shape(was.oid) END::text AS original,
           r.rereads > 0 AS rereads,
           r.rereads < 1 AND ${sql.raw(changedInBetween('its.oid'))} OR r.rereads < 2 AND (EXISTS (
             SELECT FROM pg_attribute a WHERE a.attrelid = its.oid AND a.attgenerated = 'v' AND NOT a.attisdropped AND a.attname <> ALL (c.excluded))
             OR EXISTS (SELECT FROM pg_index i CROSS JOIN LATERAL (
                          SELECT array_agg(a.attname::text) AS names FROM pg_attribute a WHERE a.attrelid = its.oid AND a.attnum = ANY (i.indkey)) AS key
                        WHERE i.indrelid = its.oid AND i.indisprimary AND NOT i.indimmediate AND key.names @> c.keys AND key.names <@ c.keys)) AS outrun,
           coalesce(row_security_active(named.oid), false) AS policed,
           EXISTS (SELECT FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace AND s.nspname = 'syncd'
                   WHERE p.proname::text = ANY (c.functions) AND NOT p.prosecdef) AS invoked,
           ${sql.raw(TRIGGERS_LACK)} AS lacking, ${sql.raw(OWNERS_LACK)} AS shut_out,
           c.suspended_at IS NOT NULL AS suspended,
           json_build_object('kind', c.drift_kind, 'text', c.drift, 'hint', c.drift_hint, 'misses', c.drift_misses,
                             'holdsPush', c.holds_push, 'holdsApply', c.holds_apply, 'marks', c.trigger_marks)::text AS known
    FROM syncd.capture c
    LEFT JOIN LATERAL (${sql.raw(TABLE_NAMED)}) AS named ON true
    CROSS JOIN LATERAL (SELECT (c.recorded ->> 'oid')::oid AS oid) AS was
    CROSS JOIN LATERAL (SELECT coalesce(named.oid, was.oid) AS oid) AS its
    -- 1: where a row is in doubt, 2: always.
    CROSS JOIN LATERAL (
      SELECT coalesce(max(CASE strpos(p.prosrc, 'syncd.nested') WHEN 0 THEN 2 ELSE 1 END), 0) AS rereads
      FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace AND s.nspname = 'syncd'
      WHERE p.proname::text = ANY (c.functions) AND strpos(p.prosrc, c.table_name || ' AS t ON ') > 0) AS r
    ORDER BY c.entity_type`.execute(db);
  return { tables: rows.map((row) => read(row, settings)), replicas: await readReplicas(db) };
}

function read(row: Row, settings: Pick<Settings, 'entities'>): Looked['tables'][number] {
  const shape = (json: string | null): Shape | null => (json === null ? null : JSON.parse(json));
  const [recorded, named] = [shape(row.recorded), shape(row.named)];
  const original = recorded !== null && named?.oid === recorded.oid ? named : shape(row.original);
  const table = recorded?.table ?? row.table_name;
  const { entity_type, direction, keys, excluded, generator, rereads, outrun, policed, invoked, lacking, suspended } =
    row;
  return {
    entity_type,
    direction,
    keys,
    excluded,
    configured: configuredOf(settings, row, table),
    table,
    recorded,
    generator,
    named,
    original,
    rereads,
    outrun,
    policed,
    invoked,
    lacking,
    shutOut: row.shut_out,
    suspended,
    known: JSON.parse(row.known),
    marks: marksOf(original),
  };
}

function configuredOf(settings: Pick<Settings, 'entities'>, row: Row, table: string): Observed['configured'] {
  const wanted = settings.entities.get(row.entity_type);
  if (!wanted) return undefined;
  const name = parseTable(wanted.table);
  const same = name !== undefined && qualified(name.schema, name.name) === row.table_name;
  return {
    table: same ? table : wanted.table,
    direction: wanted.direction,
    excluded: wanted.exclude.map(columnName),
    key: wanted.key?.map(columnName),
  };
}

/** Who writes as a replica by a standing setting; what a session sets for itself nobody else can see. */
async function readReplicas(db: Db): Promise<string[]> {
  const { rows } = await sql<{ who: string }>`
    SELECT CASE WHEN s.setrole <> 0 THEN format('role %s', pg_get_userbyid(s.setrole)) ELSE format('database %s', d.datname) END AS who
    FROM pg_db_role_setting s JOIN pg_database d ON d.datname = current_database()
    WHERE s.setdatabase IN (0, d.oid) AND 'session_replication_role=replica' = ANY (s.setconfig)
      AND s.setrole NOT IN (SELECT oid FROM pg_roles WHERE rolname IN (${OWNER}, ${CAPTURE}, ${DAEMON}))
    UNION ALL
    SELECT 'the server' FROM pg_settings
    WHERE name = 'session_replication_role' AND reset_val = 'replica' AND source = 'configuration file'
    ORDER BY 1`.execute(db);
  return rows.map(({ who }) => who);
}
