-- What the capture triggers lean on: the marker of a TRUNCATE, and the NOTIFY that never makes a sale fail.

CREATE TABLE syncd.truncations (
  id           bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "a truncation has one number" PRIMARY KEY,
  entity_type  text NOT NULL,
  table_name   text NOT NULL,
  txid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
  truncated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  position     bigint NOT NULL DEFAULT nextval('syncd.sync_queue_id_seq'),
  settled_at   timestamptz,
  settled_as   text,
  CONSTRAINT "a truncation is settled by deleting or by restoring" CHECK (settled_as IN ('deleted', 'restored')),
  CONSTRAINT "a settled truncation says how and when" CHECK ((settled_at IS NULL) = (settled_as IS NULL))
);
CREATE INDEX truncations_open ON syncd.truncations (entity_type, position) WHERE settled_at IS NULL;
COMMENT ON TABLE syncd.truncations IS 'One TRUNCATE of a captured table. Which rows went it cannot tell; the entity waits for the operator.';
COMMENT ON COLUMN syncd.truncations.id IS 'Its number.';
COMMENT ON COLUMN syncd.truncations.entity_type IS 'The name in syncd.yaml.';
COMMENT ON COLUMN syncd.truncations.table_name IS 'The table or partition that was emptied.';
COMMENT ON COLUMN syncd.truncations.txid IS 'The POS''s transaction.';
COMMENT ON COLUMN syncd.truncations.truncated_at IS 'The outlet''s wall clock when the statement ran.';
COMMENT ON COLUMN syncd.truncations.position IS 'Its place among the ids of sync_queue: changes of the entity with a lower one came before.';
COMMENT ON COLUMN syncd.truncations.settled_at IS 'When a person decided; null: the entity waits.';
COMMENT ON COLUMN syncd.truncations.settled_as IS 'deleted: the cloud deletes too; restored: the rows came back.';

-- Wakes the daemon at this transaction's commit, unless that could make the commit itself fail: a full notification queue does,
-- and a transaction that is to be prepared must not have notified. Then the daemon's own look once a second finds the change.
-- Nor where no daemon runs: a NOTIFY makes every commit of the server wait for the one before, for nobody. A daemon holds the
-- lock (1937337955, 5) as long as it lives; the lock is taken here for a moment only, and a daemon that waits for it counts.
-- That it was done stands in a setting until the transaction ends, so that the triggers of a long one do it once.
CREATE FUNCTION syncd.wake() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF pg_catalog.current_setting('max_prepared_transactions') OPERATOR(pg_catalog.=) '0'
     AND pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.<) 0.25::pg_catalog.float8
     AND (CASE WHEN pg_catalog.pg_try_advisory_lock_shared(1937337955, 5)
               THEN NOT pg_catalog.pg_advisory_unlock_shared(1937337955, 5) ELSE true END) THEN
    PERFORM pg_catalog.pg_notify('syncd_wake', '');
  END IF;
  PERFORM pg_catalog.set_config('syncd.woken', 'yes', true);
END
$$;
REVOKE ALL ON FUNCTION syncd.wake() FROM PUBLIC;
COMMENT ON FUNCTION syncd.wake() IS 'Wakes the daemon, if one runs, when this transaction commits; never makes the commit fail.';

-- The names to leave out of a table's rows: those that the configuration gave, and whatever the columns at these places are
-- called now, so that renaming a secret does not publish it. Declared immutable although it reads the catalogue, so that the
-- planner calls it once: altering the table makes it plan again. In a restored copy, where numbers mean something else, the oid
-- does not fit the name and the names alone count.
CREATE FUNCTION syncd.excluded_columns(relation oid, relation_name text, names text[], numbers int2[]) RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$
  SELECT names OPERATOR(pg_catalog.||) ARRAY(
    SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
    WHERE a.attrelid OPERATOR(pg_catalog.=) relation AND c.relname OPERATOR(pg_catalog.=) relation_name::pg_catalog.name
      AND a.attnum OPERATOR(pg_catalog.=) ANY (numbers))
$$;
REVOKE ALL ON FUNCTION syncd.excluded_columns(oid, text, text[], int2[]) FROM PUBLIC;
COMMENT ON FUNCTION syncd.excluded_columns(oid, text, text[], int2[]) IS 'The column names that never leave the shop, followed through renames.';
