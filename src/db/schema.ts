/**
 * The rows of schema `syncd` as Kysely and pg see them, and the words that the whole program uses for them:
 *
 * - **change**: one row of `sync_queue`, one captured create, update or delete. **batch**: those that one push request carries.
 * - **outcome**: what an answer, or its absence, means for a batch or for one change.
 * - **entity**: one row of the shop, named by (`entity_type`, `entity_id`).
 * - **state**: what outlet and cloud last agreed on for an entity.
 * - **conflict**: one divergence between the two sides.
 * - **event**: what came in at once: a page, a fetched entity, a webhook; it brings *incoming changes*.
 * - **drift**: a captured table is not what its triggers were made for any more.
 * - **hold**: an entity type whose changes wait as a whole, on the way out, on the way in, or both.
 * - **parked**: an incoming change that cannot be applied, set aside with its reason.
 * - **walk**: one way through a whole table by its keys, to queue rows that nobody knows of or to compare it; a row of `backfills`.
 * - **wake**: telling the daemon that there is something to look for; a hint, never the truth.
 * - **outage**: one time without the cloud; interruptions that follow each other closely are one.
 * - **sample**: the figures of one minute.
 * - **alert**: one trouble that people are told of when it comes and when it is over.
 * - **leader**: the one daemon that may settle; `leader_epoch` fences out an earlier one. A *standby* waits beside it.
 * - **home**: the server and the database that an outlet works on; a copy of it is somewhere else.
 * Instants, bigints, json and xid8 arrive as Postgres's text, a `string` here: a Date would lose microseconds, a number digits.
 */
import type { ColumnType, Generated } from 'kysely';
import type { Operation } from '../cloud/wire.js';
import type { CaptureTable, HoldsView } from './schema-capture.js';
import type {
  AlertMessagesTable,
  AlertsTable,
  DiskReadingsTable,
  OutagesTable,
  SamplesTable,
} from './schema-figures.js';
import type { BackfillsTable } from './schema-walks.js';

export type ChangeStatus = 'pending' | 'synced' | 'conflict' | 'failed';
export type SettledAs = 'accepted' | 'superseded' | 'discarded' | 'cloud_won';

export interface SyncQueueTable {
  id: ColumnType<string, never, never>;
  change_id: Generated<string>;
  txid: Generated<string>;
  created_at: Generated<string>;
  entity_type: string;
  entity_id: string;
  operation: Operation;
  payload: string | null;
  previous: string | null;
  status: Generated<ChangeStatus>;
  retry_count: Generated<number>;
  hold_count: Generated<number>;
  next_attempt_at: string | null;
  error_message: string | null;
  synced_at: string | null;
  batch_id: string | null;
  settled_as: SettledAs | null;
  superseded_by: string | null;
  supersedes: string[] | null;
  undated: boolean | null;
}

export interface EntityStateTable {
  entity_type: string;
  entity_id: string;
  version: Generated<string>;
  cloud_version: string | null;
  cloud_id: string | null;
  sync_status: Generated<'synced' | 'conflict' | 'failed'>;
  deleted: Generated<boolean>;
  last_synced_at: string | null;
  row_hash: string | null;
  row_shape: number | null;
}

export interface SyncConflictsTable {
  id: ColumnType<string, never, never>;
  entity_type: string;
  entity_id: string;
  queue_id: string | null;
  change_id: string | null;
  source: 'push' | 'pull' | 'fetch' | 'webhook';
  strategy: Generated<string>;
  fields: Generated<string[]>;
  base: string | null;
  local: string | null;
  cloud: string | null;
  cloud_version: string;
  cloud_updated_at: string | null;
  cloud_deleted: Generated<boolean>;
  status: Generated<'open' | 'resolved'>;
  detected_at: Generated<string>;
  resolved_at: string | null;
  resolved_by: string | null;
  reason: string | null;
  resolution: 'cloud' | 'local' | 'merged' | 'data' | 'equal' | null;
  result: string | null;
  resolved_change_id: string | null;
  attempts: Generated<number>;
  next_attempt_at: string | null;
}

export interface InboxTable {
  id: ColumnType<string, never, never>;
  event_id: string;
  source: 'pull' | 'fetch' | 'webhook';
  sent_at: string | null;
  received_at: Generated<string>;
  changes: number;
}

export interface IncomingTable {
  id: ColumnType<string, never, never>;
  inbox_id: string;
  source: 'pull' | 'fetch' | 'webhook' | 'conflict';
  entity_type: string;
  entity_id: string;
  cloud_id: string | null;
  operation: Operation | 'hint';
  cloud_version: string | null;
  updated_at: string | null;
  data: string | null;
  status: Generated<'waiting' | 'parked'>;
  attempts: Generated<number>;
  next_attempt_at: string | null;
  reason: string | null;
  waits_for_type: string | null;
  waits_for_id: string | null;
  received_at: Generated<string>;
}

export interface ClockOffsetsTable {
  id: ColumnType<string, never, never>;
  at: Generated<string>;
  offset_ms: number | null;
  jumped_from: string | null;
}

export interface SyncLogsTable {
  id: ColumnType<string, never, never>;
  at: Generated<string>;
  direction: 'push' | 'pull';
  batch_id: string | null;
  outcome: string;
  http_status: number | null;
  changes: Generated<number>;
  accepted: Generated<number>;
  bytes: Generated<string>;
  wire_bytes: Generated<string>;
  duration_ms: Generated<number>;
  error: string | null;
  change_ids: Generated<string[]>;
  outcomes: Generated<string[]>;
}

export interface OutletConfigTable {
  one: Generated<boolean>;
  outlet_id: string;
  code: string | null;
  timezone: Generated<string>;
  cloud_url: string;
  sync_enabled: Generated<boolean>;
  last_sync_at: string | null;
  install_id: Generated<string>;
  epoch: Generated<string>;
  stopped_code: string | null;
  stopped_reason: string | null;
  stopped_at: string | null;
  pull_cursor: string | null;
  last_pull_at: string | null;
  cloud_epoch: string | null;
  webhooks_timestamped: Generated<boolean>;
  settled_id: Generated<string>;
  adopted_from: string | null;
  adopted_at: string | null;
  stopped_epoch: string | null;
  home_outlet_id: string | null;
  home_system: string | null;
  home_database: number | null;
  home_queue: number | null;
  home_timeline: number | null;
  home_server_started_at: string | null;
}

export interface PutAwayTable {
  id: ColumnType<string, never, never>;
  outlet_id: string;
  install_id: string;
  put_away_at: Generated<string>;
  source: string;
  record: string;
}

export interface DaemonTable {
  id: string;
  host: string;
  pid: number;
  version: string;
  leader_epoch: string;
  started_at: Generated<string>;
  heartbeat_at: Generated<string>;
  stopped_at: string | null;
  online: boolean | null;
  offline_since: string | null;
  last_error: string | null;
  next_try_at: string | null;
  refused: string | null;
  pull_error: string | null;
  pull_offline_since: string | null;
  clock_offset_ms: number | null;
  config_changed_at: Generated<string | null>;
  role: Generated<'leader' | 'standby'>;
}

export interface CommandsTable {
  id: ColumnType<string, never, never>;
  command: string;
  args: string | null;
  requested_by: Generated<string>;
  requested_at: Generated<string>;
  finished_at: string | null;
  outcome: string | null;
  error: string | null;
}

export interface EntityStatusView {
  entity_type: string;
  entity_id: string;
  version: string | null;
  cloud_version: string | null;
  cloud_id: string | null;
  deleted: boolean | null;
  last_synced_at: string | null;
  status: ChangeStatus;
}

export interface Database {
  'syncd.sync_queue': SyncQueueTable;
  'syncd.entity_state': EntityStateTable;
  'syncd.sync_conflicts': SyncConflictsTable;
  'syncd.sync_logs': SyncLogsTable;
  'syncd.outlet_config': OutletConfigTable;
  'syncd.capture': CaptureTable;
  'syncd.daemon': DaemonTable;
  'syncd.commands': CommandsTable;
  'syncd.inbox': InboxTable;
  'syncd.incoming': IncomingTable;
  'syncd.clock_offsets': ClockOffsetsTable;
  'syncd.put_away': PutAwayTable;
  'syncd.backfills': BackfillsTable;
  'syncd.disk_readings': DiskReadingsTable;
  'syncd.samples': SamplesTable;
  'syncd.outages': OutagesTable;
  'syncd.alerts': AlertsTable;
  'syncd.alert_messages': AlertMessagesTable;
  /** Pending, failed and conflict rows only, by the indexes that hold them. */
  'syncd.unsettled': SyncQueueTable;
  'syncd.entity_status': EntityStatusView;
  'syncd.holds': HoldsView;
}

/** Advisory locks, all under one class so that nobody else's can collide; `gateAwake` is described in db/wake. */
export const LOCK_CLASS = 0x73796e63;
export const LOCKS = { leader: 1, gateAwake: 2, install: 4, present: 5 } as const;

/** The one NOTIFY channel; its payload is always empty. */
export const WAKE_CHANNEL = 'syncd_wake';
