-- Reference of A1: the least that captures at all. Statement-level triggers with transition tables, one INSERT of key,
-- operation and row. No safety, no change id, no transaction id, no clock, no NOTIFY.
DO $do$
DECLARE
  t record;
  e record;
BEGIN
  FOR t IN SELECT * FROM (VALUES ('orders', 'order', 'id'), ('order_items', 'order_item', 'id'), ('stock', 'stock', 'product_id'),
                                 ('payments', 'payment', 'id'), ('products', 'product', 'id')) AS captured (tab, entity, key) LOOP
    FOR e IN SELECT * FROM (VALUES ('INSERT', 'create', 'NEW', 'row_to_json(r)'), ('UPDATE', 'update', 'NEW', 'row_to_json(r)'),
                                   ('DELETE', 'delete', 'OLD', 'NULL')) AS events (event, operation, side, payload) LOOP
      EXECUTE format($f$
        CREATE FUNCTION reference.%1$I() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
          INSERT INTO reference.sync_queue (entity_type, entity_id, operation, payload)
          SELECT %2$L, r.%3$I::text, %4$L, %5$s FROM touched r;
          RETURN NULL;
        END $body$;
        CREATE TRIGGER %1$I AFTER %6$s ON public.%7$I REFERENCING %8$s TABLE AS touched
          FOR EACH STATEMENT EXECUTE FUNCTION reference.%1$I();
        $f$, t.tab || '_' || e.operation, t.entity, t.key, e.operation, e.payload, e.event, t.tab, e.side);
    END LOOP;
  END LOOP;
END $do$;
