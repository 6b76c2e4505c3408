-- What a captured table was like when its triggers were made, and what has become of it since.

ALTER TABLE syncd.capture
  ADD COLUMN recorded json,
  ADD COLUMN departed json NOT NULL DEFAULT '[]',
  ADD COLUMN generator text,
  ADD COLUMN drift text,
  ADD COLUMN drift_kind text,
  ADD COLUMN drift_at timestamptz,
  ADD COLUMN drift_hint text,
  ADD COLUMN drift_misses boolean NOT NULL DEFAULT false,
  ADD COLUMN holds_push boolean NOT NULL DEFAULT false,
  ADD COLUMN holds_apply boolean NOT NULL DEFAULT false,
  ADD COLUMN trigger_marks text,
  ADD CONSTRAINT "a drift has its words, its instant and its hint"
    CHECK ((drift_kind IS NULL) = (drift IS NULL) AND (drift IS NULL) = (drift_at IS NULL) AND (drift IS NULL) = (drift_hint IS NULL)),
  ADD CONSTRAINT "only a drift misses changes or holds an entity"
    CHECK (drift IS NOT NULL OR NOT (drift_misses OR holds_push OR holds_apply));
COMMENT ON COLUMN syncd.capture.recorded IS 'The table as syncd.table_shape saw it at the end of the last install.';
COMMENT ON COLUMN syncd.capture.departed IS 'What was a part of the table before and is none any more, with the bounds of its rows: those stay in the cloud.';
COMMENT ON COLUMN syncd.capture.generator IS 'Names the program''s way of writing triggers, as of the last install.';
COMMENT ON COLUMN syncd.capture.drift IS 'How the table differs from what was installed, in words, and what that means; null: not at all.';
COMMENT ON COLUMN syncd.capture.drift_kind IS 'The gravest of the differences, in one word.';
COMMENT ON COLUMN syncd.capture.drift_at IS 'When this kind of difference was first seen.';
COMMENT ON COLUMN syncd.capture.drift_hint IS 'What repairs it.';
COMMENT ON COLUMN syncd.capture.drift_misses IS 'Changes of the table may go by uncaptured while it lasts; it is compared once that is over.';
COMMENT ON COLUMN syncd.capture.holds_push IS 'Its captured changes wait: they might be taken for those of another row.';
COMMENT ON COLUMN syncd.capture.holds_apply IS 'What the cloud sends for it waits: it cannot be written, or might overwrite a change that nobody captured.';
COMMENT ON COLUMN syncd.capture.trigger_marks IS 'The row versions of its triggers and columns, and its files, as last seen: a trigger that was switched off for a moment has another one, and so have rows that an ALTER wrote anew.';

-- An entity that comes back is compared with what was agreed on while it was captured: nobody saw what was written since.
CREATE TABLE syncd.former_captures (
  entity_type text CONSTRAINT "one former table for one entity" PRIMARY KEY,
  table_name  text NOT NULL,
  recorded    json,
  departed    json NOT NULL,
  ended_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE syncd.former_captures IS 'A table that was captured until its entity left the configuration.';
COMMENT ON COLUMN syncd.former_captures.entity_type IS 'The name in syncd.yaml.';
COMMENT ON COLUMN syncd.former_captures.table_name IS 'Schema and table, quoted as SQL wants them.';
COMMENT ON COLUMN syncd.former_captures.recorded IS 'The table as the last install saw it that captured it.';
COMMENT ON COLUMN syncd.former_captures.departed IS 'What had left it by then.';
COMMENT ON COLUMN syncd.former_captures.ended_at IS 'When it was captured no more.';

-- One table as the catalogue has it now. A trigger's mark is the transaction that last altered it. The function reads the
-- catalogue alone, so it asks for no right on the table and waits for no lock, whatever happens to the table meanwhile; but for
-- the bounds: PostgreSQL locks each partition whose bounds it tells and keeps those locks while it waits for the next, so that
-- sales would stand behind a migration of the POS that stands behind us. Install alone asks for them. They are told as a
-- condition on the columns, except those of a hash, which hold only beside the table itself.
CREATE FUNCTION syncd.table_shape(relation oid, with_bounds boolean DEFAULT false) RETURNS json LANGUAGE sql STABLE
SET search_path = pg_catalog SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $$
  WITH RECURSIVE member(oid) AS (
    SELECT relation
    UNION SELECT i.inhrelid FROM member m JOIN pg_inherits i ON i.inhparent = m.oid
    -- Its rows have left already while DETACH ... CONCURRENTLY waits; PostgreSQL 13 has no such column.
    WHERE (to_jsonb(i) ->> 'inhdetachpending')::boolean IS NOT TRUE
  )
  SELECT json_build_object(
    'oid', c.oid::text,
    'table', format('%I.%I', n.nspname, c.relname),
    'policies', c.relrowsecurity,
    'parents', (
      SELECT coalesce(json_agg(format('%I.%I', pn.nspname, p.relname) ORDER BY p.oid), '[]')
      FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE i.inhrelid = c.oid),
    'columns', (
      SELECT json_agg(json_build_object('number', a.attnum, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
               'made', format('%s %s', a.atttypid, a.atttypmod), 'labels', (
                 SELECT json_object_agg(e.oid::text, e.enumlabel ORDER BY e.oid) FROM pg_type t
                 JOIN pg_enum e ON e.enumtypid IN (t.oid, t.typelem, t.typbasetype) WHERE t.oid = a.atttypid),
               'nullable', NOT a.attnotnull, 'given', a.atthasdef OR a.attidentity <> '',
               'filled', a.atthasmissing, 'virtual', a.attgenerated = 'v',
               'mark', a.xmin::text) ORDER BY a.attnum)
      FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'unique', (
      SELECT coalesce(json_agg(keys.numbers ORDER BY keys.numbers::text), '[]')
      FROM (SELECT array_agg(k.number ORDER BY k.number) AS numbers
            FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)
            WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
              AND k.place <= i.indnkeyatts
            GROUP BY i.indexrelid) AS keys),
    'members', (
      SELECT json_agg(json_build_object('oid', r.oid::text, 'table', format('%I.%I', rn.nspname, r.relname), 'kind', r.relkind, 'file', r.relfilenode::text,
               'partition', r.relispartition, 'bounds', (
                 SELECT d.bounds FROM pg_get_partition_constraintdef(CASE WHEN with_bounds THEN r.oid END) AS d(bounds)
                 WHERE d.bounds NOT LIKE '%satisfies_hash_partition%'),
               'triggers', (
                 SELECT coalesce(json_agg(json_build_object('name', t.tgname, 'fires', t.tgenabled, 'row', t.tgtype & 1 = 1,
                          'function', p.proname, 'settings', coalesce(array_to_string(p.proconfig, ' '), ''),
                          'body', left(encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex'), 16), 'mark', t.xmin::text) ORDER BY t.tgname), '[]')
                 FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace pn ON pn.oid = p.pronamespace
                 WHERE t.tgrelid = r.oid AND NOT t.tgisinternal AND t.tgparentid = 0 AND pn.nspname = 'syncd')) ORDER BY r.oid)
      FROM member m JOIN pg_class r ON r.oid = m.oid JOIN pg_namespace rn ON rn.oid = r.relnamespace))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;
REVOKE ALL ON FUNCTION syncd.table_shape(oid, boolean) FROM PUBLIC;
COMMENT ON FUNCTION syncd.table_shape(oid, boolean) IS 'A table''s columns, unique keys, members and capture triggers, as the catalogue has them now.';

-- What has left the table by the last install, and what the catalogue has not any more since. Not where another table bears the
-- name now: that one is compared as a whole.
CREATE FUNCTION syncd.departed(of_type text) RETURNS TABLE (relation oid, name text, bounds text) LANGUAGE sql STABLE
SET search_path = pg_catalog AS $$
  WITH captured AS (
    SELECT c.departed, c.recorded, syncd.table_shape(k.oid) AS now
    FROM syncd.capture c
    LEFT JOIN (pg_class k JOIN pg_namespace s ON s.oid = k.relnamespace)
      ON k.relname = (parse_ident(c.table_name))[2] AND s.nspname = (parse_ident(c.table_name))[1] AND k.relkind IN ('r', 'p')
    WHERE c.entity_type = of_type
  ), gone AS (
    SELECT m FROM captured c CROSS JOIN json_array_elements(c.departed) AS m
    UNION ALL
    SELECT m FROM captured c CROSS JOIN json_array_elements(c.recorded -> 'members') AS m
    WHERE c.recorded ->> 'oid' = c.now ->> 'oid'
  )
  SELECT DISTINCT ON ((g.m ->> 'oid')::oid) (g.m ->> 'oid')::oid, g.m ->> 'table', g.m ->> 'bounds' FROM gone g
  WHERE NOT EXISTS (SELECT FROM captured c CROSS JOIN json_array_elements(c.now -> 'members') AS n WHERE n ->> 'oid' = g.m ->> 'oid')
  ORDER BY (g.m ->> 'oid')::oid
$$;
REVOKE ALL ON FUNCTION syncd.departed(text) FROM PUBLIC;
COMMENT ON FUNCTION syncd.departed(text) IS 'The partitions and children of an entity''s table that are no part of it any more: their rows were put away, not deleted.';

CREATE VIEW syncd.holds AS
  SELECT entity_type, 'truncate' AS cause,
         'the table was emptied by TRUNCATE: the cloud still has the rows, and a person has to decide' AS reason,
         min(truncated_at) AS since, format('syncd truncate %s --delete, or --restore', entity_type) AS hint,
         true AS holds_push, true AS holds_apply
  FROM syncd.truncations WHERE settled_at IS NULL GROUP BY entity_type
  UNION ALL
  SELECT entity_type, drift_kind, drift, drift_at, drift_hint, holds_push, holds_apply
  FROM syncd.capture WHERE holds_push OR holds_apply;
COMMENT ON VIEW syncd.holds IS 'The entity types whose changes wait as a whole, and why: in the queue (holds_push), or before they are applied (holds_apply).';
