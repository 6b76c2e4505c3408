/** The answers of the admin port, as schemas that are published. Every key is always there; more may come, none is renamed. */
import { z } from 'zod';
import { instant, Operation, text, uuid, version } from './wire-schemas.js';

const at = instant.nullable();
const maybe = text.nullable();
const count = z.int().min(0).nullable();

const Status = z
  .object({
    state: z.enum(['ok', 'warning', 'critical', 'unknown']),
    reasons: z.array(text),
    findings: z.array(z.object({ state: z.enum(['warning', 'critical']), topic: text, reason: text })),
    at,
    enabled: z.boolean().nullable(),
    switched_off: z.boolean().nullable().describe('By the configuration; no resume changes that'),
    paused: z.object({ by: text, at: instant, reason: text.nullable() }).nullable(),
    stopped: z.object({ reason: text, at: instant }).loose().nullable(),
    daemon: z.object({ running: z.boolean().nullable(), pid: z.int().nullable(), since: at, version: maybe }),
    cloud: z.object({
      online: z.boolean().nullable(),
      offline_since: at,
      last_error: maybe,
      next_try_at: at,
      refused: maybe,
    }),
    pending: count,
    pending_estimated: z
      .boolean()
      .nullable()
      .describe('pending, held and what was captured today are rounded to thousands'),
    oldest_pending_at: at,
    failed: count,
    conflicts: count,
    held: count,
    success_rate: z.number().nullable().describe('Of all changes that the cloud judged in 24 h; 0 to 1'),
    failure_rate: z.number().nullable(),
    average_sync_duration_ms: z.number().nullable(),
    last_successful_sync_at: at,
    last_pull_at: at,
    parked: count,
    today: z.object({ captured: count, pushed: count, pulled: count }),
    capture: z.object({ expected: count, healthy: count, failures: count, healed: count }),
    older_rows: z.array(text).nullable().describe('Entities whose rows from before capture were never sent'),
    clock_offset_ms: z.number().nullable(),
    compared: z
      .object({
        at,
        differing: z.array(z.object({ entity_type: text, at: instant, differences: count, lost: count })),
        beyond_repair: count,
        skipped: z.array(z.object({ entity_type: text, reason: text })),
      })
      .nullable()
      .describe('With the cloud, by digest; lost: what it had accepted and does not keep'),
  })
  .loose();

const QueueItem = z.object({
  id: text,
  change_id: uuid,
  entity_type: text,
  entity_id: text,
  operation: Operation,
  status: z.enum(['pending', 'synced', 'conflict', 'failed']),
  retry_count: z.int(),
  next_attempt_at: at,
  error_message: maybe,
  created_at: instant,
  synced_at: at,
});

const LogItem = z.object({
  id: text,
  at: instant,
  direction: z.enum(['push', 'pull']),
  batch_id: uuid.nullable(),
  outcome: text,
  changes: z.int(),
  accepted: z.int(),
  bytes: z.int(),
  duration_ms: z.number(),
  error: maybe,
});

const side = z.record(z.string(), z.unknown()).nullable();
const Conflict = z.object({
  id: text,
  entity_type: text,
  entity_id: text,
  fields: z.array(text),
  base: side.describe('The values that the shop started from'),
  local: side.describe("The shop's row as it is now; null: deleted"),
  cloud: side.describe("The cloud's row; null: deleted, or unknown there"),
  cloud_version: version,
  cloud_deleted: z.boolean(),
  source: z.enum(['push', 'pull', 'fetch', 'webhook']),
  strategy: text,
  status: z.enum(['open', 'resolved']),
  detected_at: instant,
  resolution: maybe,
  result: side,
  resolved_at: at,
  resolved_by: maybe,
  reason: maybe,
});

const EntityView = z
  .object({
    entity_type: text,
    entity_id: text,
    status: z.enum(['pending', 'synced', 'conflict', 'failed']),
    version: version.nullable(),
    cloud_version: version.nullable(),
    cloud_id: maybe,
    deleted: z.boolean(),
    last_synced_at: at,
    queue: z.array(QueueItem),
    log: z.array(LogItem),
    incoming: z.array(z.object({ id: text, status: z.enum(['waiting', 'parked']), reason: maybe }).loose()),
    history_since: at,
    conflicts: z.array(Conflict),
  })
  .loose();

const DoctorFinding = z.object({
  name: text,
  state: z.enum(['ok', 'warn', 'fail', 'skipped']),
  finding: text,
  why: maybe,
  what_to_type: maybe,
});

const Problem = z
  .object({ type: text, title: text, status: z.int(), detail: text, hint: text.optional() })
  .loose()
  .describe('RFC 9457; hint says what to do');

const Done = z.object({ done: z.int(), items: z.array(z.record(z.string(), z.unknown())) });

const page = (items: z.ZodType) => z.object({ items: z.array(items), next_cursor: maybe });
const QueuePage = page(QueueItem);
const LogPage = page(LogItem);
const ConflictPage = page(Conflict);
const InboxPage = page(z.object({ id: text, entity_type: text, entity_id: text }).loose());
const Anything = z.record(z.string(), z.unknown());

/** By the name under which each is published. */
export const ADMIN_SCHEMAS = {
  Status,
  QueueItem,
  LogItem,
  Conflict,
  EntityView,
  DoctorFinding,
  Problem,
  Done,
  QueuePage,
  LogPage,
  ConflictPage,
  InboxPage,
  Anything,
};
