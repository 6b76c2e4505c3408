-- Walks over whole tables, capture that has stepped aside, and what is known of the disk.

CREATE TABLE syncd.backfills (
  id           bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "a walk has one number" PRIMARY KEY,
  entity_type  text NOT NULL,
  kind         text NOT NULL,
  cause        text NOT NULL,
  requested_by text NOT NULL DEFAULT session_user,
  requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at   timestamptz,
  failures     bigint,
  position     text,
  walked       bigint NOT NULL DEFAULT 0,
  queued       bigint NOT NULL DEFAULT 0,
  deleted      bigint NOT NULL DEFAULT 0,
  estimate     bigint,
  waits_for    text,
  finished_at  timestamptz,
  error        text,
  CONSTRAINT "a walk queues old rows, compares, or looks for rows that are gone" CHECK (kind IN ('backfill', 'reconcile', 'delete')),
  CONSTRAINT "a walk that has not begun has no position" CHECK (started_at IS NOT NULL OR position IS NULL)
);
CREATE UNIQUE INDEX backfills_requested ON syncd.backfills (entity_type, kind) WHERE started_at IS NULL AND finished_at IS NULL;
CREATE INDEX backfills_unfinished ON syncd.backfills (id) WHERE finished_at IS NULL;
COMMENT ON TABLE syncd.backfills IS 'One walk over a captured table, from one key to the next. What is stored here is stored with the changes that it queued.';
COMMENT ON COLUMN syncd.backfills.id IS 'Its number; walks are done in this order.';
COMMENT ON COLUMN syncd.backfills.entity_type IS 'The name in syncd.yaml.';
COMMENT ON COLUMN syncd.backfills.kind IS 'backfill: queues rows that nobody knows of. reconcile: queues what differs from the last agreement too, and what is gone. delete: only what is gone.';
COMMENT ON COLUMN syncd.backfills.cause IS 'Why, in words.';
COMMENT ON COLUMN syncd.backfills.requested_by IS 'The database role, or the person''s name where one was given.';
COMMENT ON COLUMN syncd.backfills.requested_at IS 'When it was asked for.';
COMMENT ON COLUMN syncd.backfills.started_at IS 'When everybody who was writing to the table at the request had ended, and the walk began.';
COMMENT ON COLUMN syncd.backfills.failures IS 'The table''s failure counter at the request of those who were waited for: the walk finds what was missed up to there.';
COMMENT ON COLUMN syncd.backfills.position IS 'How far it came, as the walk needs it; null: at the beginning.';
COMMENT ON COLUMN syncd.backfills.walked IS 'Rows looked at.';
COMMENT ON COLUMN syncd.backfills.queued IS 'Rows queued as create or update.';
COMMENT ON COLUMN syncd.backfills.deleted IS 'Rows queued as delete.';
COMMENT ON COLUMN syncd.backfills.estimate IS 'About how many rows there are to look at; null: not known.';
COMMENT ON COLUMN syncd.backfills.waits_for IS 'What kept it from going on when it last tried, in words.';
COMMENT ON COLUMN syncd.backfills.finished_at IS 'When it came to its end; null: to be gone on with.';
COMMENT ON COLUMN syncd.backfills.error IS 'Why it was given up.';

ALTER TABLE syncd.capture
  ADD COLUMN functions text[] NOT NULL DEFAULT '{}',
  ADD COLUMN failures_seen bigint NOT NULL DEFAULT 0,
  ADD COLUMN suspended_at timestamptz,
  ADD COLUMN suspended_by text,
  ADD COLUMN suspended_reason text,
  ADD COLUMN older_rows boolean NOT NULL DEFAULT true,
  ADD CONSTRAINT "who suspends capture is known" CHECK ((suspended_at IS NULL) = (suspended_by IS NULL));
COMMENT ON COLUMN syncd.capture.functions IS 'The generated functions, by name.';
COMMENT ON COLUMN syncd.capture.failures_seen IS 'The failure counter''s reading up to which the table was compared and what was missing was queued.';
COMMENT ON COLUMN syncd.capture.suspended_at IS 'Since when the triggers step aside; null: they capture.';
COMMENT ON COLUMN syncd.capture.suspended_by IS 'Who asked for it.';
COMMENT ON COLUMN syncd.capture.suspended_reason IS 'Why.';
COMMENT ON COLUMN syncd.capture.older_rows IS 'The table had rows before it was captured, or before its columns were changed, and no backfill of it has come to its end: the cloud may not know them, or not as they are.';

CREATE TABLE syncd.suspended_functions (
  entity_type text NOT NULL,
  name        text NOT NULL,
  definition  text NOT NULL,
  CONSTRAINT "a function is put aside once" PRIMARY KEY (entity_type, name)
);
COMMENT ON TABLE syncd.suspended_functions IS 'The functions of the triggers that step aside, as they will be again.';
COMMENT ON COLUMN syncd.suspended_functions.entity_type IS 'The name in syncd.yaml.';
COMMENT ON COLUMN syncd.suspended_functions.name IS 'The function.';
COMMENT ON COLUMN syncd.suspended_functions.definition IS 'The statement that makes it.';

-- The daemon owns no trigger and no function; these do for it the one thing that it may do to them. A body is exchanged without
-- a lock on any table: a sale that is running goes on with the one that it has.
CREATE FUNCTION syncd.suspend_capture(of_type text, by_whom text, for_what text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  f record;
BEGIN
  -- The lock of install, which writes the same functions.
  PERFORM pg_advisory_xact_lock(1937337955, 4);
  UPDATE syncd.capture c SET suspended_at = clock_timestamp(), suspended_by = by_whom, suspended_reason = for_what
  WHERE c.entity_type = of_type AND c.suspended_at IS NULL AND c.functions <> '{}';
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  DELETE FROM syncd.suspended_functions s WHERE s.entity_type = of_type;
  FOR f IN
    SELECT p.oid, p.proname::text AS name FROM syncd.capture c
    JOIN pg_proc p ON p.proname::text = ANY (c.functions) AND p.prorettype = 'trigger'::regtype
    JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'syncd'
    WHERE c.entity_type = of_type
  LOOP
    INSERT INTO syncd.suspended_functions (entity_type, name, definition) VALUES (of_type, f.name, pg_get_functiondef(f.oid));
    EXECUTE format('CREATE OR REPLACE FUNCTION syncd.%I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS %L',
                   f.name, ' BEGIN RETURN NULL; END ');
  END LOOP;
  RETURN true;
END
$$;
REVOKE ALL ON FUNCTION syncd.suspend_capture(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION syncd.suspend_capture(text, text, text) IS 'Lets an entity''s triggers step aside. False: they have already, or there are none.';

-- What was written meanwhile is found by comparing: the request stands before the first trigger captures again.
CREATE FUNCTION syncd.resume_capture(of_type text, by_whom text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  was record;
  f record;
BEGIN
  PERFORM pg_advisory_xact_lock(1937337955, 4);
  -- Locked before the request is made, in the order of the look for drift, which does both too.
  SELECT c.suspended_at, c.suspended_reason INTO was FROM syncd.capture c
  WHERE c.entity_type = of_type AND c.suspended_at IS NOT NULL FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO syncd.backfills (entity_type, kind, cause, requested_by)
  VALUES (of_type, 'reconcile', format('capture was suspended from %s (UTC), %s', to_char(was.suspended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
                                       coalesce(was.suspended_reason, 'no reason given')), by_whom)
  ON CONFLICT (entity_type, kind) WHERE started_at IS NULL AND finished_at IS NULL DO NOTHING;
  UPDATE syncd.capture c SET suspended_at = NULL, suspended_by = NULL, suspended_reason = NULL WHERE c.entity_type = of_type;
  FOR f IN SELECT s.definition FROM syncd.suspended_functions s WHERE s.entity_type = of_type LOOP
    EXECUTE f.definition;
  END LOOP;
  DELETE FROM syncd.suspended_functions s WHERE s.entity_type = of_type;
  RETURN true;
END
$$;
REVOKE ALL ON FUNCTION syncd.resume_capture(text, text) FROM PUBLIC;
COMMENT ON FUNCTION syncd.resume_capture(text, text) IS 'Lets an entity''s triggers capture again, and has its table compared. False: they were not suspended.';

-- A key that was made of another type leaves agreements under names that the new one cannot read, and one such cast ends a whole
-- statement. Asked only once that has happened: it costs a sub-transaction.
CREATE FUNCTION syncd.may_name(id text, types text[]) RETURNS boolean LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
  FOR place IN 1 .. cardinality(types) LOOP
    EXECUTE format('SELECT $1::%s', types[place]) USING CASE cardinality(types) WHEN 1 THEN id ELSE id::json ->> place - 1 END;
  END LOOP;
  RETURN true;
EXCEPTION WHEN data_exception THEN
  RETURN false;
END
$$;
REVOKE ALL ON FUNCTION syncd.may_name(text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION syncd.may_name(text, text[]) IS 'Whether an entity''s id can be read as a key of these types.';

CREATE TABLE syncd.disk_readings (
  at             timestamptz CONSTRAINT "one reading for one span of time" PRIMARY KEY,
  path           text NOT NULL,
  free_bytes     bigint,
  total_bytes    bigint,
  database_bytes bigint,
  days_left      double precision,
  problem        text
);
COMMENT ON TABLE syncd.disk_readings IS 'What the disk was like, every ten minutes; the last 8 days are kept.';
COMMENT ON COLUMN syncd.disk_readings.at IS 'The beginning of the ten minutes; the figures are those of the last look in them.';
COMMENT ON COLUMN syncd.disk_readings.path IS 'The directory that was looked at.';
COMMENT ON COLUMN syncd.disk_readings.free_bytes IS 'Left for PostgreSQL.';
COMMENT ON COLUMN syncd.disk_readings.total_bytes IS 'Of the whole file system.';
COMMENT ON COLUMN syncd.disk_readings.database_bytes IS 'This database''s size.';
COMMENT ON COLUMN syncd.disk_readings.days_left IS 'Until the floor is reached at the rate of the last 24 hours; null: not to be foreseen.';
COMMENT ON COLUMN syncd.disk_readings.problem IS 'Why the disk could not be looked at.';

-- Also held: what may have changes that nobody captured. A change of the cloud would overwrite them before they are found.
CREATE OR REPLACE VIEW syncd.holds AS
  SELECT entity_type, 'truncate' AS cause,
         'the table was emptied by TRUNCATE: the cloud still has the rows, and a person has to decide' AS reason,
         min(truncated_at) AS since, format('syncd truncate %s --delete, or --restore', entity_type) AS hint,
         true AS holds_push, true AS holds_apply
  FROM syncd.truncations WHERE settled_at IS NULL GROUP BY entity_type
  UNION ALL
  SELECT entity_type, drift_kind, drift, drift_at, drift_hint, holds_push, holds_apply
  FROM syncd.capture WHERE holds_push OR holds_apply
  UNION ALL
  SELECT entity_type, 'suspended', format('capture is suspended: %s', coalesce(suspended_reason, 'no reason given')), suspended_at,
         format('syncd capture --resume %s', entity_type), false, true
  FROM syncd.capture WHERE suspended_at IS NOT NULL AND direction = 'both'
  UNION ALL
  SELECT b.entity_type, 'reconcile', format('the table is compared with what was last agreed (%s)', min(b.cause)), min(b.requested_at),
         'nothing to do: it goes on by itself', false, true
  FROM syncd.backfills b JOIN syncd.capture c ON c.entity_type = b.entity_type AND c.direction = 'both'
  WHERE b.finished_at IS NULL AND b.kind = 'reconcile' GROUP BY b.entity_type;
