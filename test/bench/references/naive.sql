-- Reference of A3: what is usually written first. A row trigger, one INSERT a row, and a NOTIFY that names the row by table,
-- operation and key, as the trigger of PostgreSQL's own module tcn does and most such triggers in public code do. After
-- folded.sql on the same connection its payload is empty instead, so that PostgreSQL folds a sale's notifications to one: the
-- design at its best, which is shown beside it without a bound.
DO $do$
DECLARE
  t record;
  notify text := 'PERFORM pg_notify(''reference'', %2$L || '','' || TG_OP || '','' || %1$s);';
BEGIN
  IF current_setting('reference.folded', true) = 'yes' THEN
    notify := 'PERFORM pg_notify(''reference'', '''');';
  END IF;
  FOR t IN SELECT * FROM (VALUES ('orders', 'order', 'id'), ('order_items', 'order_item', 'id'), ('stock', 'stock', 'product_id'),
                                 ('payments', 'payment', 'id'), ('products', 'product', 'id')) AS captured (tab, entity, key) LOOP
    EXECUTE format($f$
      CREATE FUNCTION reference.%1$I() RETURNS trigger LANGUAGE plpgsql AS $body$
      BEGIN
        IF TG_OP = 'INSERT' THEN
          INSERT INTO reference.sync_queue (entity_type, entity_id, operation, payload) VALUES (%2$L, NEW.%3$I::text, 'create', row_to_json(NEW));
          %5$s
        ELSIF TG_OP = 'UPDATE' THEN
          INSERT INTO reference.sync_queue (entity_type, entity_id, operation, payload) VALUES (%2$L, NEW.%3$I::text, 'update', row_to_json(NEW));
          %5$s
        ELSE
          INSERT INTO reference.sync_queue (entity_type, entity_id, operation) VALUES (%2$L, OLD.%3$I::text, 'delete');
          %6$s
        END IF;
        RETURN NULL;
      END $body$;
      CREATE TRIGGER %1$I AFTER INSERT OR UPDATE OR DELETE ON public.%4$I FOR EACH ROW EXECUTE FUNCTION reference.%1$I();
      $f$, t.tab || '_capture', t.entity, t.key, t.tab, format(notify, 'NEW.' || t.key, t.entity), format(notify, 'OLD.' || t.key, t.entity));
  END LOOP;
END $do$;
