-- Reference of A4: triggers of the shape that SymmetricDS generates for PostgreSQL, after its public source (trigger template,
-- dialect and schema of 3.15, with the default parameters), written anew:
--   * a row trigger and a function for each table and event; the row as CSV, each column by its type's own expression; an
--     update puts new and old row into variables first, whether anything changed or not, and writes its key as well;
--   * every row asks two functions, whether triggers are off and which node to leave out. Both read a setting that only
--     SymmetricDS's own sessions have; in a till's session that is an error, which each catches: two sub-transactions a row;
--   * sym_data has a primary key and a second unique index, of (data_id, channel_id).
-- Where it differs, it does less: no schema is looked up, the offset of an instant takes two branches instead of three.
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
  is_prerouted    smallint NOT NULL DEFAULT 0,
  create_time     timestamp(6)
);
CREATE UNIQUE INDEX ON symmetricds.sym_data (data_id, channel_id);
CREATE FUNCTION symmetricds.sym_triggers_disabled() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  disabled integer;
BEGIN
  SELECT current_setting('symmetric.triggers_disabled') INTO disabled;
  RETURN disabled;
EXCEPTION WHEN OTHERS THEN
  RETURN 0;
END $$;
CREATE FUNCTION symmetricds.sym_node_disabled() RETURNS varchar LANGUAGE plpgsql AS $$
DECLARE
  node varchar(50);
BEGIN
  SELECT current_setting('symmetric.node_disabled') INTO node;
  RETURN node;
EXCEPTION WHEN OTHERS THEN
  RETURN '';
END $$;

-- The expression that writes one column; %1$s is the column with its side.
CREATE FUNCTION symmetricds.template(typname name, typcategory "char") RETURNS text LANGUAGE sql AS $$
  SELECT CASE
    WHEN typname = 'timestamptz' THEN $t$CASE WHEN %1$s IS NULL THEN '' WHEN isfinite(%1$s) THEN
      CASE WHEN extract(timezone_hour FROM %1$s) <= 0 AND extract(timezone_minute FROM %1$s) <= 0
      THEN '"' || to_char(%1$s, 'YYYY-MM-DD HH24:MI:SS.US ') || '-' || lpad(abs(round(extract(timezone_hour FROM %1$s)))::varchar, 2, '0')
        || ':' || lpad(abs(round(extract(timezone_minute FROM %1$s)))::varchar, 2, '0') || '"'
      ELSE '"' || to_char(%1$s, 'YYYY-MM-DD HH24:MI:SS.US ') || '+' || lpad(round(extract(timezone_hour FROM %1$s))::varchar, 2, '0')
        || ':' || lpad(round(extract(timezone_minute FROM %1$s))::varchar, 2, '0') || '"' END ELSE '' END$t$
    WHEN typcategory = 'N' THEN $t$CASE WHEN %1$s IS NULL THEN '' ELSE '"' || %1$s::numeric::varchar || '"' END$t$
    WHEN typcategory = 'B' THEN $t$CASE WHEN %1$s IS NULL THEN '' WHEN %1$s THEN '"1"' ELSE '"0"' END$t$
    ELSE $t$CASE WHEN %1$s IS NULL THEN '' ELSE '"' || replace(replace(%1$s::varchar, '\', '\\'), '"', '\"') || '"' END$t$
    END
$$;
CREATE FUNCTION symmetricds.csv(tab regclass, side text, only_keys boolean) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(format(symmetricds.template(typname, typcategory), format('%s.%I', side, attname)), $s$ || ',' || $s$ ORDER BY attnum)
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
    FOR e IN SELECT * FROM (VALUES
        ('INSERT', 'I', '', '', 'row_data', symmetricds.csv(t.rel, 'NEW', false), ''),
        ('UPDATE', 'U', 'DECLARE row_after text; row_before text;',
         format('row_after := %s; row_before := %s; IF 1 = 1 THEN', symmetricds.csv(t.rel, 'NEW', false), symmetricds.csv(t.rel, 'OLD', false)),
         'pk_data, row_data, old_data', symmetricds.csv(t.rel, 'OLD', true) || ', row_after, row_before', 'END IF;'),
        ('DELETE', 'D', '', '', 'pk_data, old_data', symmetricds.csv(t.rel, 'OLD', true) || ', ' || symmetricds.csv(t.rel, 'OLD', false), '')
      ) AS events (event, letter, variables, before, columns, data, after) LOOP
      EXECUTE format($f$
        CREATE FUNCTION symmetricds.%1$I() RETURNS trigger LANGUAGE plpgsql AS $body$
        %8$s
        BEGIN
          IF 1 = 1 AND symmetricds.sym_triggers_disabled() = 0 THEN
            %4$s
            INSERT INTO symmetricds.sym_data (table_name, event_type, trigger_hist_id, %5$s, channel_id, transaction_id, source_node_id,
              external_data, create_time)
            VALUES (%2$L, %3$L, 1, %6$s, 'sale', txid_current(), symmetricds.sym_node_disabled(), NULL, CURRENT_TIMESTAMP);
            %9$s
          END IF;
          RETURN NULL;
        END $body$;
        CREATE TRIGGER %1$I AFTER %7$s ON public.%2$I FOR EACH ROW EXECUTE FUNCTION symmetricds.%1$I();
        $f$, t.tab || '_' || e.letter, t.tab, e.letter, e.before, e.columns, e.data, e.event, e.variables, e.after);
    END LOOP;
  END LOOP;
END $do$;
