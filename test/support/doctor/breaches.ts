/** Ways in which a shop's own machine can be out of order, and what the doctor has to say of each. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EntitySettings } from '../../../src/config/settings.js';
import type { Change, DoctorStage } from './stage.js';

export type Breach = {
  broken: string;
  check: string;
  state: 'warn' | 'fail';
  says: RegExp;
  /** What it says to type; null: there is nothing that a person in the shop could type. */
  types?: RegExp | null;
  sql?: string;
  mend?: string;
  change?: (stage: DoctorStage) => Change | Promise<Change>;
};

export const shopBreaches: Breach[] = [
  {
    broken: 'the database is away',
    check: 'database',
    state: 'fail',
    says: /does not answer/,
    change: () => ({ database: { urls: ['postgres://u:planted-pw@127.0.0.1:1/pos'] } }),
  },
  {
    broken: 'the database has another name',
    check: 'database',
    state: 'fail',
    says: /does not exist/,
    change: (stage) => ({ database: { urls: [stage.cluster.url('nowhere')] } }),
  },
  {
    broken: 'syncd is not installed',
    check: 'installation',
    state: 'fail',
    says: /not installed/,
    change: async (stage) => ({ database: { urls: [await stage.cluster.createDatabase('doctor_bare')] } }),
  },
  {
    broken: 'the schema is older',
    check: 'installation',
    state: 'fail',
    says: /older than the program/,
    sql: `DELETE FROM syncd.migrations WHERE name LIKE '0003%'`,
    mend: `INSERT INTO syncd.migrations SELECT * FROM kept_migrations WHERE name LIKE '0003%'`,
  },
  {
    broken: 'the schema is newer',
    check: 'installation',
    state: 'fail',
    says: /newer than this program/,
    sql: `INSERT INTO syncd.migrations (name, checksum) VALUES ('9999_future', '-')`,
    mend: `DELETE FROM syncd.migrations WHERE name = '9999_future'`,
  },
  {
    broken: 'the outlet id is another one',
    check: 'installation',
    state: 'fail',
    says: /belongs to outlet outlet-7/,
    change: () => ({ outlet: { id: 'outlet-8' } }),
  },
  {
    broken: 'the file names another table than the one that is installed',
    check: 'installation',
    state: 'warn',
    says: /order is installed for .*orders.* \(push\), the configuration says public.sales_orders/,
    types: /syncd install/,
    change: (stage) => ({
      entities: new Map([
        ...stage.loaded.settings.entities,
        ['order', { ...(stage.loaded.settings.entities.get('order') as EntitySettings), table: 'public.sales_orders' }],
      ]) as never,
    }),
  },
  {
    broken: 'a configured table is not captured',
    check: 'capture',
    state: 'fail',
    says: /refund \(public.refunds\) is not captured/,
    change: (stage) => ({
      entities: new Map([
        ...stage.loaded.settings.entities,
        ['refund', { ...(stage.loaded.settings.entities.get('order') as EntitySettings), table: 'public.refunds' }],
      ]) as never,
    }),
  },
  {
    broken: 'a table was truncated',
    check: 'capture',
    state: 'warn',
    says: /line was emptied by TRUNCATE/,
    sql: 'TRUNCATE lines',
    mend: 'DELETE FROM syncd.truncations',
  },
  {
    broken: 'the daemon is gone',
    check: 'daemon',
    state: 'fail',
    says: /not running: its last sign of life/,
    sql: 'UPDATE syncd.daemon SET stopped_at = now()',
    mend: 'UPDATE syncd.daemon SET stopped_at = NULL',
  },
  {
    broken: 'syncing is paused',
    check: 'daemon',
    state: 'warn',
    says: /paused/,
    sql: 'UPDATE syncd.outlet_config SET sync_enabled = false',
    mend: 'UPDATE syncd.outlet_config SET sync_enabled = true',
  },
  {
    broken: 'pushing was stopped for a fork',
    check: 'daemon',
    state: 'fail',
    says: /another copy/,
    sql: `UPDATE syncd.outlet_config SET stopped_code = 'fork', stopped_reason = 'another copy pushes', stopped_at = now()`,
    mend: 'UPDATE syncd.outlet_config SET stopped_code = NULL, stopped_reason = NULL, stopped_at = NULL',
  },
  {
    broken: 'a change failed',
    check: 'queue',
    state: 'fail',
    says: /1 change failed/,
    sql: `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, status) VALUES ('order', 'x', 'delete', 'failed')`,
    mend: `DELETE FROM syncd.sync_queue`,
  },
  {
    broken: 'changes wait for long',
    check: 'queue',
    state: 'warn',
    says: /has waited for 2 h/,
    sql: `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, created_at) VALUES ('order', 'x', 'delete', now() - interval '2 h')`,
    mend: `DELETE FROM syncd.sync_queue`,
  },
  {
    broken: 'a pooler stands in between',
    check: 'notify',
    state: 'fail',
    says: /a pooler between/,
    change: async (stage) => ({ database: { urls: [await stage.pooled()] } }),
  },
  {
    broken: 'a role may hardly use temporary files',
    check: 'server',
    state: 'warn',
    says: /^temp_file_limit is 2048 kB, here or for a role$/,
    types: /RESET temp_file_limit/,
    sql: `CREATE ROLE doctor_narrow; ALTER ROLE doctor_narrow SET temp_file_limit = '2MB'; ALTER ROLE postgres SET temp_file_limit = -1`,
    mend: 'DROP ROLE doctor_narrow; ALTER ROLE postgres RESET temp_file_limit',
  },
  {
    broken: 'the state directory cannot be used',
    check: 'files',
    state: 'warn',
    says: /is not there yet/,
    change: (stage) => ({ state_dir: join(stage.directory, 'none') as never }),
  },
  {
    broken: 'another outlet uses the state directory too',
    check: 'files',
    state: 'warn',
    says: /remembers outlet b, not outlet-7/,
    types: /^state_dir /,
    change: (stage) => {
      const state_dir = join(stage.directory, 'shared');
      const ids = { epoch: '1', system: '1', database: '1', queue: '1', settled_id: '0', timeline: 1, noted_ms: 0 };
      mkdirSync(state_dir, { recursive: true });
      writeFileSync(join(state_dir, 'identity.json'), JSON.stringify({ outlet_id: 'b', install_id: 'i', ...ids }));
      return { state_dir: state_dir as never };
    },
  },
  {
    broken: 'no entity is configured',
    check: 'configuration',
    state: 'fail',
    says: /names no entity/,
    change: () => ({ entities: new Map() as never }),
  },
  {
    broken: 'capture is suspended',
    check: 'capture',
    state: 'fail',
    says: /nothing of line, order has been captured for 2 h: suspended by budi \(the POS is upgraded\)/,
    types: /^syncd capture --resume/,
    sql: `UPDATE syncd.capture SET suspended_at = now() - interval '2 h', suspended_by = 'budi', suspended_reason = 'the POS is upgraded' WHERE entity_type <> 'shift'`,
    mend: 'UPDATE syncd.capture SET suspended_at = NULL, suspended_by = NULL, suspended_reason = NULL',
  },
  {
    broken: 'capture is suspended for want of disk space',
    check: 'capture',
    state: 'fail',
    says: /captured for 5 min: suspended by syncd, for want of disk space \(\/data had 12 MB left/,
    types: /goes on by itself/,
    sql: `UPDATE syncd.capture SET suspended_at = now() - interval '5 min', suspended_by = 'syncd, for want of disk space', suspended_reason = '/data had 12 MB left'`,
    mend: 'UPDATE syncd.capture SET suspended_at = NULL, suspended_by = NULL, suspended_reason = NULL',
  },
  {
    broken: 'the disk is full',
    check: 'disk',
    state: 'fail',
    says: /^\/data has 12 MB left, less than its floor of 1 GB/,
    types: /^sudo du -xh \/data/,
    sql: "INSERT INTO syncd.disk_readings (at, path, free_bytes, total_bytes) VALUES (now(), '/data', 12000000, 50000000000)",
    mend: 'DELETE FROM syncd.disk_readings',
    change: () => ({ disk: { path: '/data', floorBytes: 1e9, warnMs: 14 * 86_400_000 } }),
  },
  {
    broken: 'the disk is full in days',
    check: 'disk',
    state: 'warn',
    says: /the disk of \/data is full in 3 days/,
    sql: "INSERT INTO syncd.disk_readings (at, path, free_bytes, total_bytes, days_left) VALUES (now(), '/data', 12e9, 50e9, 3.4)",
    mend: 'DELETE FROM syncd.disk_readings',
    change: () => ({ disk: { path: '/data', floorBytes: 1e9, warnMs: 14 * 86_400_000 } }),
  },
  {
    broken: 'the database is not the one that pushed last',
    check: 'daemon',
    state: 'fail',
    says: /pushing is stopped: this database was restored/,
    types: /^syncd adopt/,
    sql: `UPDATE syncd.outlet_config SET stopped_code = 'identity_restored', stopped_reason = 'this database was restored', stopped_at = now()`,
    mend: 'UPDATE syncd.outlet_config SET stopped_code = NULL, stopped_reason = NULL, stopped_at = NULL',
  },
  {
    broken: 'a capture failed',
    check: 'capture',
    state: 'fail',
    says: /capture of line failed 1 time/,
    sql: `SELECT nextval(failures::regclass) FROM syncd.capture WHERE entity_type = 'line'`,
    mend: `UPDATE syncd.capture SET failures_seen = 1 WHERE entity_type = 'line'`,
  },
  {
    broken: 'a change of the cloud cannot be applied',
    check: 'queue',
    state: 'warn',
    says: /1 change of the cloud cannot be applied: order 7: no column "tax"/,
    types: /^syncd inbox/,
    sql: `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, status, reason) VALUES (1, 'pull', 'order', '7', 'update', 'parked', 'no column "tax"')`,
    mend: 'DELETE FROM syncd.incoming',
  },
  {
    broken: 'a conflict is open',
    check: 'queue',
    state: 'warn',
    says: /1 conflict open/,
    types: /^syncd conflicts/,
    sql: `INSERT INTO syncd.sync_conflicts (entity_type, entity_id, source, cloud_version) VALUES ('order', 'x', 'push', 1)`,
    mend: 'DELETE FROM syncd.sync_conflicts',
  },
  {
    broken: 'the daemon is an older program',
    check: 'daemon',
    state: 'warn',
    says: /the daemon is version 0.0.1, this program/,
    sql: "CREATE TABLE kept_daemon AS TABLE syncd.daemon; UPDATE syncd.daemon SET version = '0.0.1'",
    mend: 'UPDATE syncd.daemon d SET version = k.version FROM kept_daemon k; DROP TABLE kept_daemon',
  },
  {
    broken: 'pushing was stopped, and the daemon is gone',
    check: 'daemon',
    state: 'fail',
    says: /another copy/,
    sql: `UPDATE syncd.daemon SET stopped_at = now(); UPDATE syncd.outlet_config SET stopped_code = 'fork', stopped_reason = 'another copy pushes', stopped_at = now()`,
    mend: 'UPDATE syncd.daemon SET stopped_at = NULL; UPDATE syncd.outlet_config SET stopped_code = NULL, stopped_reason = NULL, stopped_at = NULL',
  },
  {
    broken: 'the cloud has lost rows',
    check: 'queue',
    state: 'fail',
    says: /the cloud had lost 3 rows of line/,
    types: /verify .*--repair/,
    sql: "INSERT INTO syncd.proofs (entity_type, compared_by, entities, on_the_way, differences, lost, beyond_repair) VALUES ('line', 'timer', 9, 0, 3, 3, 0)",
    mend: 'DELETE FROM syncd.proofs',
  },
  {
    broken: 'triggers of two outlets send a row to and fro',
    check: 'triggers',
    state: 'warn',
    says: /^order goes to and fro: a trigger of the POS sets status whenever a row comes in; 7 was sent 12 times within 11 min/,
    types: /^entities\.order\.local: \[status\] .*current_user <> 'syncd'/,
    sql: `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, status, settled_as, undated, payload, previous, synced_at)
      SELECT 'order', '7', 'update', 'synced', 'accepted', true, json_build_object('id', 7, 'status', n), json_build_object('status', -n), now() - n * interval '1 min'
      FROM generate_series(0, 11) n`,
    mend: 'DELETE FROM syncd.sync_queue',
  },
];
