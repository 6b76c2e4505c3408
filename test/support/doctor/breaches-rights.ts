/** Ways in which the roles and the triggers of an installation can be out of order, and what the doctor has to say of each. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Breach } from './breaches.js';

export const rightsBreaches: Breach[] = [
  {
    broken: 'the admin token is shut to the daemon',
    check: 'files',
    state: 'warn',
    says: /admin_token cannot be read/,
    types: /^sudo chown --reference=/,
    change: (stage) => {
      const state_dir = join(stage.directory, 'shut');
      // Root, as whom the tests may run, reads any file.
      mkdirSync(join(state_dir, 'admin_token'), { recursive: true });
      return { state_dir: state_dir as never };
    },
  },
  {
    broken: 'a trigger is disabled',
    check: 'capture',
    state: 'fail',
    says: /order .*(disabled|trigger)/,
    sql: 'ALTER TABLE orders DISABLE TRIGGER ALL',
    mend: 'ALTER TABLE orders ENABLE TRIGGER ALL',
  },
  {
    broken: 'a role fires no triggers',
    check: 'sessions',
    state: 'fail',
    says: /importer works with session_replication_role/,
    sql: 'CREATE ROLE importer; ALTER ROLE importer SET session_replication_role = replica',
    mend: 'DROP ROLE importer',
  },
  {
    broken: 'a role of the POS has written what the triggers would run',
    check: 'rights',
    state: 'warn',
    says: /^a cast \(public\.doctor_mood AS json\), written by doctor_till, runs at every sale of order with the rights of syncd_capture, and with those of /,
    types: /^DROP CAST \(public\.doctor_mood AS json\);/,
    sql: `CREATE ROLE doctor_till; CREATE TYPE doctor_mood AS ENUM ('sweet'); ALTER TABLE orders ADD COLUMN moods doctor_mood[];
      CREATE FUNCTION doctor_cast(doctor_mood) RETURNS json LANGUAGE sql AS $$ SELECT '1'::json $$;
      ALTER FUNCTION doctor_cast OWNER TO doctor_till; CREATE CAST (doctor_mood AS json) WITH FUNCTION doctor_cast(doctor_mood)`,
    mend: `ALTER TABLE orders DROP COLUMN moods; DROP TYPE doctor_mood CASCADE; DROP ROLE doctor_till`,
  },
  {
    broken: 'the triggers run with the rights of the schema of syncd, as an older install had made them',
    check: 'rights',
    state: 'fail',
    says: /^the triggers of order run with the rights of syncd_owner, not of syncd_capture$/,
    types: /syncd install/,
    sql: 'ALTER FUNCTION syncd.capture_order_insert() OWNER TO syncd_owner',
    mend: 'ALTER FUNCTION syncd.capture_order_insert() OWNER TO syncd_capture',
  },
  {
    broken: 'the triggers have the rights of whoever sells',
    check: 'rights',
    state: 'fail',
    says: /^the triggers of order run with the rights of whoever sells/,
    types: /syncd install/,
    sql: 'ALTER FUNCTION syncd.capture_order_insert() SECURITY INVOKER',
    mend: 'ALTER FUNCTION syncd.capture_order_insert() SECURITY DEFINER',
  },
  {
    broken: 'the role of the triggers may do more than they need',
    check: 'rights',
    state: 'fail',
    says: /^role syncd_capture may do more than the triggers need: DELETE syncd.sync_queue$/,
    types: /REVOKE/,
    sql: 'GRANT DELETE ON syncd.sync_queue TO syncd_capture',
    mend: 'REVOKE DELETE ON syncd.sync_queue FROM syncd_capture',
  },
  {
    broken: 'the role may not read a table',
    check: 'rights',
    state: 'fail',
    says: /role syncd lacks SELECT on public.orders/,
    sql: 'REVOKE ALL ON orders FROM syncd',
    mend: 'GRANT SELECT ON orders TO syncd',
    change: (stage) => ({ database: { urls: [stage.cluster.url('doctor', 'syncd')] } }),
  },
  {
    broken: 'the role may not use the schema of a table, after a REVOKE from PUBLIC',
    check: 'rights',
    state: 'fail',
    says: /role syncd lacks USAGE on schema public/,
    types: /syncd install/,
    sql: 'REVOKE USAGE ON SCHEMA public FROM PUBLIC, syncd',
    mend: 'GRANT USAGE ON SCHEMA public TO PUBLIC, syncd',
    change: (stage) => ({ database: { urls: [stage.cluster.url('doctor', 'syncd')] } }),
  },
  {
    broken: 'the triggers could not step aside, for whoever had installed them was dropped with his grants',
    check: 'rights',
    state: 'fail',
    says: /^syncd_owner may not act as syncd_capture$/,
    types: /syncd install/,
    sql: 'REVOKE syncd_capture FROM syncd_owner',
    mend: 'GRANT syncd_capture TO syncd_owner',
  },
  {
    broken: 'the sessions of others are hidden',
    check: 'sessions',
    state: 'warn',
    says: /how long the transactions of others are open cannot be seen/,
    types: /GRANT pg_read_all_stats TO syncd/,
    sql: 'REVOKE pg_read_all_stats FROM syncd',
    mend: 'GRANT pg_read_all_stats TO syncd',
    change: (stage) => ({ database: { urls: [stage.cluster.url('doctor', 'syncd')] } }),
  },
];
