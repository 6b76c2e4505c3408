/** What the shop's tables say in a test: an ordinary day, an outage, trouble. Every instant is relative to now. */
import type { Stage } from './stage.js';

const CLEAR = `
  DELETE FROM syncd.truncations;
  TRUNCATE syncd.sync_queue, syncd.sync_logs, syncd.entity_state, syncd.sync_conflicts, syncd.commands, syncd.incoming, syncd.daemon,
           syncd.samples, syncd.outages RESTART IDENTITY;
  UPDATE syncd.outlet_config SET sync_enabled = true, last_sync_at = now() - interval '40 s', last_pull_at = now() - interval '4 s',
         stopped_code = NULL, stopped_reason = NULL, stopped_at = NULL;
  UPDATE syncd.capture SET drift = NULL, drift_kind = NULL, drift_at = NULL, drift_hint = NULL, suspended_at = NULL, suspended_by = NULL, older_rows = false;
  INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch, started_at, heartbeat_at, online, clock_offset_ms)
  VALUES (gen_random_uuid(), 'till-7', 812, '0.1.0', 1, now() - interval '3 days', now() + interval '1 day', true, 12.5)`;

/** A week of figures: busy at noon and in the evening, with a gap where nobody worked. */
const FIGURES = `
  INSERT INTO syncd.samples
  SELECT m, c, c, (random() * 2)::int, 0, CASE WHEN m > now() - interval '5 hours' AND m < now() - interval '4 hours' THEN 40 + (extract(epoch FROM m)::bigint % 40) ELSE c / 9 END,
         0, 0, 0, 0, greatest(1, c / 8), greatest(1, c / 8) * (60 + random() * 50), c * 80, true
  FROM (SELECT m, (8 + 7 * sin(extract(epoch FROM m) / 7000) + 3 * random())::int AS c
        FROM generate_series(date_trunc('minute', now()) - interval '7 days', date_trunc('minute', now()) - interval '1 minute', interval '1 minute') m) s
  WHERE m NOT BETWEEN now() - interval '31 hours' AND now() - interval '29 hours';
  INSERT INTO syncd.outages (began_at, ended_at, reason, interruptions, waited, last_change, drained_at, drained_changes) VALUES
    (now() - interval '3 days', now() - interval '3 days' + interval '11 minutes', 'connect ETIMEDOUT 203.0.113.9:443', 1, 37, 10, now() - interval '3 days' + interval '11 minutes 4 s', 37),
    (now() - interval '5 hours', now() - interval '4 hours', 'getaddrinfo ENOTFOUND cloud.example.com', 3, 412, 20, now() - interval '4 hours' + interval '38 s', 412)`;

const LOG = `
  INSERT INTO syncd.sync_logs (at, direction, batch_id, outcome, http_status, changes, accepted, bytes, wire_bytes, duration_ms, error)
  SELECT now() - n * interval '50 s', CASE n % 5 WHEN 2 THEN 'pull' ELSE 'push' END, gen_random_uuid(),
         CASE WHEN n % 11 = 7 THEN 'offline' WHEN n % 5 = 2 THEN 'received' ELSE 'results' END, 200, 1 + n % 6, 1 + n % 6, 480 * (1 + n % 6), 90, 62 + n % 40,
         CASE WHEN n % 11 = 7 THEN 'connect ECONNREFUSED 203.0.113.9:443' END
  FROM generate_series(70, 0, -1) n`;

const SETTLED = `
  INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, status, settled_as, synced_at, created_at, batch_id)
  SELECT 'order', '6f1c24a0-0000-4000-8000-0000000000' || to_char(n, 'FM00'), 'create', '{"number":"JKT-014-0000","total":125000.00}', 'synced', 'accepted',
         now() - n * interval '1 minute', now() - n * interval '1 minute' - interval '1 s', gen_random_uuid() FROM generate_series(1, 60) n`;

const WAITING = `
  INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, status, created_at)
  SELECT CASE n % 3 WHEN 0 THEN 'payment' ELSE 'order' END, n::text, CASE n % 4 WHEN 3 THEN 'update' ELSE 'create' END, '{"total":87500.00}', 'pending', now() - (13 - n) * interval '3 minutes'
  FROM generate_series(1, 12) n`;

export const FAILED = `
  INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, status, retry_count, error_message, created_at) VALUES
    ('order', 'JKT-014-000871', 'update', '{"number":"JKT-014-000871","status":"paid","total":125000.00}', 'failed', 4, 'bad_total: the total is not the sum of its lines', now() - interval '2 hours'),
    ('payment', '4411', 'create', '{"method":"QRIS","amount":54000.00}', 'failed', 4, 'unknown_method: QRIS is not a payment method of this outlet', now() - interval '70 minutes'),
    ('order', 'JKT-014-000902', 'delete', NULL, 'failed', 1, 'locked_period: the day of this order is closed', now() - interval '9 minutes')`;

/** @param n how many products differ */
const conflicts = (n: number) => `
  INSERT INTO products SELECT g, 'Kopi Susu ' || g, 24500.00 + g, 40, 'gula aren', true FROM generate_series(1, ${n}) g;
  DELETE FROM syncd.sync_queue WHERE entity_type = 'product';
  INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, previous, status)
  SELECT 'product', p.id::text, 'update', row_to_json(p), '{"price":22000.00}', 'conflict' FROM products p ORDER BY p.id;
  INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version, sync_status) SELECT 'product', p.id::text, 1, 1, 'conflict' FROM products p;
  INSERT INTO syncd.sync_conflicts (entity_type, entity_id, queue_id, change_id, source, strategy, fields, base, local, cloud, cloud_version, cloud_updated_at, detected_at, reason)
  SELECT 'product', q.entity_id, q.id, q.change_id, 'push', 'manual', '{name,price}', '{"price":22000.00}', q.payload,
         json_build_object('id', q.entity_id::int, 'name', 'Kopi Susu Aren ' || q.entity_id, 'price', 26000.50::numeric(14,2), 'stock', 40, 'note', 'gula aren', 'active', true),
         2, now() - interval '1 hour', now() - interval '50 minutes', 'a person is to choose'
  FROM syncd.sync_queue q WHERE q.entity_type = 'product' ORDER BY q.id`;

const RESOLVED = `
  INSERT INTO syncd.sync_conflicts (entity_type, entity_id, source, strategy, fields, base, local, cloud, cloud_version, detected_at, status, resolution, result, resolved_at, resolved_by, reason)
  VALUES ('product', '900', 'pull', 'merge', '{price,note}', '{"price":18000.00,"note":null}', '{"id":900,"price":19000.00,"note":"panas"}', '{"id":900,"price":18500.00,"note":"dingin"}', 5,
          now() - interval '1 day', 'resolved', 'data', '{"id":900,"price":18500.00,"note":"panas"}', now() - interval '20 hours', 'admin token from 192.168.1.20 (syncd)', 'harga dari kantor pusat')`;

const HISTORY = `
  WITH sent AS (
    INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, previous, status, settled_as, synced_at, created_at, batch_id, error_message) VALUES
      ('order', '42', 'create', '{"id":42,"number":"JKT-014-000042","status":"open","total":125000.00}', NULL, 'synced', 'accepted', now() - interval '3 hours', now() - interval '3 hours 2 s', gen_random_uuid(), NULL),
      ('order', '42', 'update', '{"id":42,"number":"JKT-014-000042","status":"paid","total":125000.00}', '{"status":"open"}', 'pending', NULL, NULL, now() - interval '2 hours', gen_random_uuid(), 'busy: later')
    RETURNING change_id, batch_id, settled_as, created_at
  )
  INSERT INTO syncd.sync_logs (at, direction, batch_id, outcome, http_status, changes, accepted, bytes, wire_bytes, duration_ms, change_ids, outcomes)
  SELECT created_at + interval '2 s', 'push', batch_id, 'results', 200, 1, CASE WHEN settled_as IS NULL THEN 0 ELSE 1 END, 300, 90, 55, ARRAY[change_id], ARRAY[CASE WHEN settled_as IS NULL THEN 'rejected' ELSE 'accepted' END] FROM sent;
  UPDATE syncd.sync_queue SET next_attempt_at = now() + interval '4 minutes', retry_count = 2 WHERE entity_id = '42' AND status = 'pending';
  INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version, cloud_id, last_synced_at) VALUES ('order', '42', 1, 1, 'c-91', now() - interval '3 hours')`;

/** A column's name may be longer than a phone is wide. */
const DRIFT = `
  UPDATE syncd.capture SET drift = 'column amount was renamed', drift_kind = 'columns', drift_at = now() - interval '20 minutes',
         drift_hint = 'syncd repair payment --rename amount=amount_in_the_currency_of_the_outlet_with_tax_and_service' WHERE entity_type = 'payment'`;

async function play({ sql }: Stage, ...parts: string[]): Promise<void> {
  await sql.query('DELETE FROM products; DELETE FROM orders; DELETE FROM payments');
  await sql.query(`${CLEAR};${parts.join(';')}`);
}

export const calm = (stage: Stage) => play(stage, FIGURES, LOG, SETTLED);

/** A shop that sold before syncd came, and whose backfill nobody has asked for. */
export const installed = (stage: Stage) =>
  play(
    stage,
    FIGURES,
    LOG,
    SETTLED,
    `UPDATE syncd.capture SET older_rows = true WHERE entity_type IN ('order', 'payment')`,
  );

export const outage = (stage: Stage) =>
  play(
    stage,
    FIGURES,
    LOG,
    SETTLED,
    WAITING,
    `UPDATE syncd.daemon SET online = false, offline_since = now() - interval '36 minutes', last_error = 'getaddrinfo ENOTFOUND cloud.example.com', next_try_at = now() + interval '40 s'`,
    `INSERT INTO syncd.outages (began_at, reason) VALUES (now() - interval '36 minutes', 'getaddrinfo ENOTFOUND cloud.example.com')`,
  );

export const trouble = (stage: Stage, open = 3) =>
  play(stage, FIGURES, HISTORY, LOG, SETTLED, FAILED, DRIFT, conflicts(open), RESOLVED);
