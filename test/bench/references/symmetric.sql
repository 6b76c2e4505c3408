-- Reference of A4: triggers of the shape that SymmetricDS generates for PostgreSQL. A row trigger for each event writes the
-- row as CSV, column by column (an update writes key, new and old row), with channel and transaction id, into a table with
-- two indexes, after asking two functions whether it should. Those functions are lighter here than the original's.
CREATE SCHEMA symmetricds;
CREATE TABLE symmetricds.sym_data (
  data_id         bigserial PRIMARY KEY,
  table_name      varchar(255) NOT NULL,
  event_type      char(1) NOT NULL,
  row_data        text,
  pk_data         text,
  old_data        text,
  trigger_hist_id integer NOT NULL,
  channel_id      varchar(128),
  transaction_id  varchar(255),
  source_node_id  varchar(50),
  external_data   varchar(50),
  node_list       varchar(255),
  create_time     timestamp
);
CREATE INDEX ON symmetricds.sym_data (data_id, channel_id);
CREATE FUNCTION symmetricds.sym_triggers_disabled() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  RETURN CASE WHEN current_setting('symmetric.triggers_disabled', true) = '1' THEN 1 ELSE 0 END;
END $$;
CREATE FUNCTION symmetricds.sym_node_disabled() RETURNS varchar LANGUAGE plpgsql AS $$
BEGIN
  RETURN nullif(current_setting('symmetric.node_disabled', true), '');
END $$;

CREATE FUNCTION symmetricds.csv(tab regclass, side text, only_keys boolean) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(CASE
    WHEN typcategory = 'S' THEN format($f$CASE WHEN %1$s.%2$I IS NULL THEN '' ELSE '"' || replace(replace(%1$s.%2$I::varchar, '\', '\\'), '"', '\"') || '"' END$f$, side, attname)
    WHEN typname = 'timestamptz' THEN format($f$CASE WHEN %1$s.%2$I IS NULL THEN '' ELSE '"' || to_char(%1$s.%2$I, 'YYYY-MM-DD HH24:MI:SS.US ') ||
      CASE WHEN extract(timezone_hour FROM %1$s.%2$I) < 0 THEN '-' ELSE '+' END || lpad(abs(extract(timezone_hour FROM %1$s.%2$I))::varchar, 2, '0')
      || ':' || lpad(extract(timezone_minute FROM %1$s.%2$I)::varchar, 2, '0') || '"' END$f$, side, attname)
    ELSE format($f$CASE WHEN %1$s.%2$I IS NULL THEN '' ELSE '"' || %1$s.%2$I::varchar || '"' END$f$, side, attname)
    END, $s$ || ',' || $s$ ORDER BY attnum)
  FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
  WHERE attrelid = tab AND attnum > 0 AND NOT attisdropped
    AND (NOT only_keys OR EXISTS (SELECT FROM pg_index WHERE indrelid = tab AND indisprimary AND attnum = ANY (indkey)))
$$;

DO $do$
DECLARE
  t record;
  e record;
BEGIN
  FOR t IN SELECT tab, tab::regclass AS rel FROM unnest(ARRAY['orders', 'order_items', 'stock', 'payments', 'products']) AS tab LOOP
    FOR e IN SELECT * FROM (VALUES ('INSERT', 'I'), ('UPDATE', 'U'), ('DELETE', 'D')) AS events (event, letter) LOOP
      EXECUTE format($f$
        CREATE FUNCTION symmetricds.%1$I() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
          IF 1 = 1 AND symmetricds.sym_triggers_disabled() = 0 THEN
            INSERT INTO symmetricds.sym_data (table_name, event_type, trigger_hist_id, pk_data, row_data, old_data, channel_id,
              transaction_id, source_node_id, external_data, create_time)
            VALUES (%2$L, %3$L, 1, %4$s, %5$s, %6$s, 'sale', txid_current()::varchar, symmetricds.sym_node_disabled(), NULL, CURRENT_TIMESTAMP);
          END IF;
          RETURN NULL;
        END $body$;
        CREATE TRIGGER %1$I AFTER %7$s ON public.%2$I FOR EACH ROW EXECUTE FUNCTION symmetricds.%1$I();
        $f$, t.tab || '_' || e.letter, t.tab, e.letter,
        CASE WHEN e.letter = 'I' THEN 'NULL' ELSE symmetricds.csv(t.rel, 'OLD', true) END,
        CASE WHEN e.letter = 'D' THEN 'NULL' ELSE symmetricds.csv(t.rel, 'NEW', false) END,
        CASE WHEN e.letter = 'I' THEN 'NULL' ELSE symmetricds.csv(t.rel, 'OLD', false) END, e.event);
    END LOOP;
  END LOOP;
END $do$;
