-- Reference of A3: what is usually written first. A row trigger, one INSERT a row, and a NOTIFY. The payload of the NOTIFY is
-- constant, so that PostgreSQL folds it to one a transaction: the naive design at its best.
DO $do$
DECLARE
  t record;
BEGIN
  FOR t IN SELECT * FROM (VALUES ('orders', 'order', 'id'), ('order_items', 'order_item', 'id'), ('stock', 'stock', 'product_id'),
                                 ('payments', 'payment', 'id'), ('products', 'product', 'id')) AS captured (tab, entity, key) LOOP
    EXECUTE format($f$
      CREATE FUNCTION reference.%1$I() RETURNS trigger LANGUAGE plpgsql AS $body$
      BEGIN
        IF TG_OP = 'INSERT' THEN
          INSERT INTO reference.sync_queue (entity_type, entity_id, operation, payload) VALUES (%2$L, NEW.%3$I::text, 'create', row_to_json(NEW));
        ELSIF TG_OP = 'UPDATE' THEN
          INSERT INTO reference.sync_queue (entity_type, entity_id, operation, payload) VALUES (%2$L, NEW.%3$I::text, 'update', row_to_json(NEW));
        ELSE
          INSERT INTO reference.sync_queue (entity_type, entity_id, operation) VALUES (%2$L, OLD.%3$I::text, 'delete');
        END IF;
        PERFORM pg_notify('reference', '');
        RETURN NULL;
      END $body$;
      CREATE TRIGGER %1$I AFTER INSERT OR UPDATE OR DELETE ON public.%4$I FOR EACH ROW EXECUTE FUNCTION reference.%1$I();
      $f$, t.tab || '_capture', t.entity, t.key, t.tab);
  END LOOP;
END $do$;
