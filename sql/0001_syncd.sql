-- The tables of syncd. They stand in a schema of their own, belong to syncd_owner, and the POS never sees them.
-- Run by `syncd install` with syncd_owner as the current role; immutable once released.

-- An enum, for it costs a sale nothing: a CHECK on the table is read and planned anew by every INSERT, which costs a sale of four
-- statements 80 microseconds, more than all the rest of capture; a domain's costs it 4.
CREATE TYPE syncd.change_status AS ENUM ('pending', 'synced', 'conflict', 'failed');
COMMENT ON TYPE syncd.change_status IS 'Where a change stands.';

CREATE TABLE syncd.sync_queue (
  id              bigint GENERATED ALWAYS AS IDENTITY,
  change_id       uuid NOT NULL DEFAULT gen_random_uuid(),
  txid            xid8 NOT NULL DEFAULT pg_current_xact_id(),
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  entity_type     text COLLATE "C" NOT NULL,
  entity_id       text COLLATE "C" NOT NULL,
  operation       text NOT NULL,
  payload         json,
  previous        json,
  status          syncd.change_status NOT NULL DEFAULT 'pending',
  retry_count     integer NOT NULL DEFAULT 0,
  hold_count      integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz,
  error_message   text,
  synced_at       timestamptz,
  batch_id        uuid,
  settled_as      text,
  superseded_by   uuid
);
-- The only index that a sale pays for. What is settled or waits for a retry has left it, so a claim reads only what may go,
-- however long the history is and however much was rejected.
CREATE INDEX sync_queue_fresh ON syncd.sync_queue (id) WHERE status = 'pending' AND next_attempt_at IS NULL;
-- What waits for a retry or holds an entity back; empty on a good day, and free for the sale (a fresh row never matches).
CREATE INDEX sync_queue_held ON syncd.sync_queue (entity_type, entity_id, id)
  WHERE status IN ('failed', 'conflict') OR next_attempt_at IS NOT NULL;
-- Every condition is planned anew by every INSERT: this one costs a sale of four statements 4 microseconds less than
-- status = 'synced', which says the same; a query has to repeat it or to compare synced_at.
CREATE INDEX sync_queue_settled ON syncd.sync_queue (synced_at) WHERE synced_at IS NOT NULL;
-- Without a primary key a publication FOR ALL TABLES would refuse our updates.
ALTER TABLE syncd.sync_queue REPLICA IDENTITY FULL;

COMMENT ON TABLE syncd.sync_queue IS 'One captured change: the row after it, as text that Postgres wrote. Written by the capture triggers in the POS''s own transaction.';
COMMENT ON COLUMN syncd.sync_queue.id IS 'Place in the queue; for one entity it follows the order of the commits.';
COMMENT ON COLUMN syncd.sync_queue.change_id IS 'The change''s name for ever; the cloud applies it once.';
COMMENT ON COLUMN syncd.sync_queue.txid IS 'The POS''s transaction; changes with the same one committed together.';
COMMENT ON COLUMN syncd.sync_queue.created_at IS 'The outlet''s wall clock when the statement ran.';
COMMENT ON COLUMN syncd.sync_queue.entity_type IS 'The name in syncd.yaml, "order" say.';
COMMENT ON COLUMN syncd.sync_queue.entity_id IS 'The primary key as text; a composite key is a JSON array of texts.';
COMMENT ON COLUMN syncd.sync_queue.operation IS 'create, update or delete.';
COMMENT ON COLUMN syncd.sync_queue.payload IS 'The whole row after the change without excluded columns; null on delete.';
COMMENT ON COLUMN syncd.sync_queue.previous IS 'The old values of the columns that an update changed.';
COMMENT ON COLUMN syncd.sync_queue.status IS 'pending, synced (settled), conflict or failed.';
COMMENT ON COLUMN syncd.sync_queue.retry_count IS 'Rejections so far; an outage spends none.';
COMMENT ON COLUMN syncd.sync_queue.hold_count IS 'How often in a row the cloud gave no clear answer to it: held, or none to this one alone.';
COMMENT ON COLUMN syncd.sync_queue.next_attempt_at IS 'Not sent before this instant; null: at once.';
COMMENT ON COLUMN syncd.sync_queue.error_message IS 'The cloud''s last words about this change.';
COMMENT ON COLUMN syncd.sync_queue.synced_at IS 'When it was settled.';
COMMENT ON COLUMN syncd.sync_queue.batch_id IS 'The last push that carried it.';
COMMENT ON COLUMN syncd.sync_queue.settled_as IS 'accepted, superseded, discarded or cloud_won.';
COMMENT ON COLUMN syncd.sync_queue.superseded_by IS 'The change_id that contains this one''s effect.';

CREATE TABLE syncd.entity_state (
  entity_type    text COLLATE "C" NOT NULL,
  entity_id      text COLLATE "C" NOT NULL,
  version        bigint NOT NULL DEFAULT 0,
  cloud_version  bigint,
  cloud_id       text,
  sync_status    text NOT NULL DEFAULT 'synced',
  deleted        boolean NOT NULL DEFAULT false,
  last_synced_at timestamptz,
  row_hash       bigint,
  row_shape      integer,
  -- The id first: it tells entities apart at once, the type rarely does.
  CONSTRAINT "one state for one entity" PRIMARY KEY (entity_id, entity_type),
  CONSTRAINT "an entity's status is synced, conflict or failed" CHECK (sync_status IN ('synced', 'conflict', 'failed'))
) WITH (fillfactor = 85);
COMMENT ON TABLE syncd.entity_state IS 'What an outlet and the cloud last agreed on for one entity; outlives the queue''s history.';
COMMENT ON COLUMN syncd.entity_state.entity_type IS 'The name in syncd.yaml.';
COMMENT ON COLUMN syncd.entity_state.entity_id IS 'The primary key as text.';
COMMENT ON COLUMN syncd.entity_state.version IS 'The outlet''s own counter: how many changes of this entity were settled.';
COMMENT ON COLUMN syncd.entity_state.cloud_version IS 'The cloud''s version at the last agreement; never decreases.';
COMMENT ON COLUMN syncd.entity_state.cloud_id IS 'The cloud''s own name for the entity.';
COMMENT ON COLUMN syncd.entity_state.sync_status IS 'The last answer; what waits in the queue is added by the view entity_status.';
COMMENT ON COLUMN syncd.entity_state.deleted IS 'A tombstone: agreed to be gone.';
COMMENT ON COLUMN syncd.entity_state.last_synced_at IS 'When the last change was settled.';
COMMENT ON COLUMN syncd.entity_state.row_hash IS 'Hash of the row''s text, as capture writes it, that both sides agreed on; null: deleted, or not known.';
COMMENT ON COLUMN syncd.entity_state.row_shape IS 'The shape in syncd.capture under which row_hash was made; under another one the same row has another text.';

CREATE TABLE syncd.sync_conflicts (
  id               bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "a conflict has one number" PRIMARY KEY,
  entity_type      text COLLATE "C" NOT NULL,
  entity_id        text COLLATE "C" NOT NULL,
  queue_id         bigint,
  change_id        uuid,
  source           text NOT NULL,
  strategy         text NOT NULL DEFAULT 'manual',
  fields           text[] NOT NULL DEFAULT '{}',
  base             json,
  local            json,
  cloud            json,
  cloud_version    bigint NOT NULL,
  cloud_updated_at timestamptz,
  cloud_deleted    boolean NOT NULL DEFAULT false,
  status           text NOT NULL DEFAULT 'open',
  detected_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  resolved_at      timestamptz,
  resolved_by      text,
  reason           text,
  CONSTRAINT "a conflict is found by a push" CHECK (source IN ('push')),
  CONSTRAINT "a conflict is open or resolved" CHECK (status IN ('open', 'resolved')),
  CONSTRAINT "a resolved conflict says when and by whom" CHECK (status = 'open' OR (resolved_at IS NOT NULL AND resolved_by IS NOT NULL))
);
CREATE INDEX sync_conflicts_open ON syncd.sync_conflicts (entity_type, entity_id) WHERE status = 'open';
COMMENT ON TABLE syncd.sync_conflicts IS 'One divergence between the shop and the cloud, with both sides'' values.';
COMMENT ON COLUMN syncd.sync_conflicts.id IS 'The number that people name it by.';
COMMENT ON COLUMN syncd.sync_conflicts.entity_type IS 'The name in syncd.yaml.';
COMMENT ON COLUMN syncd.sync_conflicts.entity_id IS 'The primary key as text.';
COMMENT ON COLUMN syncd.sync_conflicts.queue_id IS 'The change that ran into it.';
COMMENT ON COLUMN syncd.sync_conflicts.change_id IS 'The same change by its name on the wire.';
COMMENT ON COLUMN syncd.sync_conflicts.source IS 'Where it was found.';
COMMENT ON COLUMN syncd.sync_conflicts.strategy IS 'The strategy that settles it.';
COMMENT ON COLUMN syncd.sync_conflicts.fields IS 'The columns that differ.';
COMMENT ON COLUMN syncd.sync_conflicts.base IS 'The old values that the local change started from.';
COMMENT ON COLUMN syncd.sync_conflicts.local IS 'The shop''s row; null: deleted.';
COMMENT ON COLUMN syncd.sync_conflicts.cloud IS 'The cloud''s row, as the cloud wrote it; null: deleted or unknown there.';
COMMENT ON COLUMN syncd.sync_conflicts.cloud_version IS 'The cloud''s version; 0: it knows neither row nor tombstone.';
COMMENT ON COLUMN syncd.sync_conflicts.cloud_updated_at IS 'When the cloud''s edit was made.';
COMMENT ON COLUMN syncd.sync_conflicts.cloud_deleted IS 'The cloud holds a tombstone, or nothing.';
COMMENT ON COLUMN syncd.sync_conflicts.status IS 'open or resolved.';
COMMENT ON COLUMN syncd.sync_conflicts.detected_at IS 'When it was recorded.';
COMMENT ON COLUMN syncd.sync_conflicts.resolved_at IS 'When it was resolved.';
COMMENT ON COLUMN syncd.sync_conflicts.resolved_by IS 'Who or what resolved it.';
COMMENT ON COLUMN syncd.sync_conflicts.reason IS 'Why it was resolved so, in the words of who did.';

CREATE TABLE syncd.sync_logs (
  id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "a log entry has one number" PRIMARY KEY,
  at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  direction   text NOT NULL,
  batch_id    uuid,
  outcome     text NOT NULL,
  http_status integer,
  changes     integer NOT NULL DEFAULT 0,
  accepted    integer NOT NULL DEFAULT 0,
  bytes       bigint NOT NULL DEFAULT 0,
  wire_bytes  bigint NOT NULL DEFAULT 0,
  duration_ms double precision NOT NULL DEFAULT 0,
  error       text,
  change_ids  uuid[] NOT NULL DEFAULT '{}',
  outcomes    text[] NOT NULL DEFAULT '{}',
  CONSTRAINT "a log entry goes out or comes in" CHECK (direction IN ('push', 'pull')),
  CONSTRAINT "every change of the entry has its outcome" CHECK (cardinality(change_ids) = cardinality(outcomes))
);
-- Random uuids do not compress: trying would only cost the settle its time.
ALTER TABLE syncd.sync_logs ALTER COLUMN change_ids SET STORAGE EXTERNAL;
CREATE INDEX sync_logs_at ON syncd.sync_logs (at);
COMMENT ON TABLE syncd.sync_logs IS 'One exchange with the cloud and the outcome of every change in it: the audit trail.';
COMMENT ON COLUMN syncd.sync_logs.id IS 'Place in the log.';
COMMENT ON COLUMN syncd.sync_logs.at IS 'When the exchange ended.';
COMMENT ON COLUMN syncd.sync_logs.direction IS 'push or pull.';
COMMENT ON COLUMN syncd.sync_logs.batch_id IS 'The push''s Idempotency-Key.';
COMMENT ON COLUMN syncd.sync_logs.outcome IS 'How the exchange as a whole ended.';
COMMENT ON COLUMN syncd.sync_logs.http_status IS 'Null where no answer came.';
COMMENT ON COLUMN syncd.sync_logs.changes IS 'Changes sent.';
COMMENT ON COLUMN syncd.sync_logs.accepted IS 'Changes answered accepted or duplicate.';
COMMENT ON COLUMN syncd.sync_logs.bytes IS 'The body before compression.';
COMMENT ON COLUMN syncd.sync_logs.wire_bytes IS 'The body as it travelled.';
COMMENT ON COLUMN syncd.sync_logs.duration_ms IS 'From the first byte sent to the last byte received.';
COMMENT ON COLUMN syncd.sync_logs.error IS 'What went wrong, never a payload or a secret.';
COMMENT ON COLUMN syncd.sync_logs.change_ids IS 'Every change of the batch, in order.';
COMMENT ON COLUMN syncd.sync_logs.outcomes IS 'The outcome of each, in the same order.';

CREATE TABLE syncd.outlet_config (
  one            boolean NOT NULL DEFAULT true CONSTRAINT "one outlet in one database" PRIMARY KEY,
  outlet_id      text NOT NULL,
  code           text,
  timezone       text NOT NULL DEFAULT 'UTC',
  cloud_url      text NOT NULL,
  sync_enabled   boolean NOT NULL DEFAULT true,
  last_sync_at   timestamptz,
  install_id     uuid NOT NULL DEFAULT gen_random_uuid(),
  epoch          bigint NOT NULL DEFAULT 1,
  stopped_code   text,
  stopped_reason text,
  stopped_at     timestamptz,
  CONSTRAINT "the one row is true" CHECK (one),
  CONSTRAINT "a stop has its reason and its instant" CHECK ((stopped_code IS NULL) = (stopped_at IS NULL))
);
COMMENT ON TABLE syncd.outlet_config IS 'This outlet. Never the API key.';
COMMENT ON COLUMN syncd.outlet_config.one IS 'Keeps the table at one row.';
COMMENT ON COLUMN syncd.outlet_config.outlet_id IS 'The outlet''s id at the cloud.';
COMMENT ON COLUMN syncd.outlet_config.code IS 'The name that people use, JKT-014 say.';
COMMENT ON COLUMN syncd.outlet_config.timezone IS 'Where "today" begins and ends.';
COMMENT ON COLUMN syncd.outlet_config.cloud_url IS 'Where changes go.';
COMMENT ON COLUMN syncd.outlet_config.sync_enabled IS 'False: paused by a person; capture goes on.';
COMMENT ON COLUMN syncd.outlet_config.last_sync_at IS 'The last answer that settled something.';
COMMENT ON COLUMN syncd.outlet_config.install_id IS 'Names this living copy of the outlet.';
COMMENT ON COLUMN syncd.outlet_config.epoch IS 'Raised when a copy takes over.';
COMMENT ON COLUMN syncd.outlet_config.stopped_code IS 'Why pushing stopped until a person acts (fork), also over restarts.';
COMMENT ON COLUMN syncd.outlet_config.stopped_reason IS 'The same in words.';
COMMENT ON COLUMN syncd.outlet_config.stopped_at IS 'Since when.';

CREATE TABLE syncd.capture (
  entity_type     text CONSTRAINT "one table for one entity" PRIMARY KEY,
  table_name      text NOT NULL,
  direction       text NOT NULL,
  keys            text[] NOT NULL,
  excluded        text[] NOT NULL DEFAULT '{}',
  coalesce        boolean NOT NULL DEFAULT false,
  keep_previous   boolean NOT NULL DEFAULT false,
  fingerprint     text NOT NULL,
  shape           integer NOT NULL GENERATED ALWAYS AS (hashtext(fingerprint)) STORED,
  trigger_version text NOT NULL,
  failures        text NOT NULL,
  granted         text[] NOT NULL DEFAULT '{}',
  installed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT "a direction is push, pull or both" CHECK (direction IN ('push', 'pull', 'both'))
);
COMMENT ON TABLE syncd.capture IS 'One captured table, as the last install made it.';
COMMENT ON COLUMN syncd.capture.entity_type IS 'The name in syncd.yaml.';
COMMENT ON COLUMN syncd.capture.table_name IS 'Schema and table, quoted as SQL wants them.';
COMMENT ON COLUMN syncd.capture.direction IS 'push, pull or both.';
COMMENT ON COLUMN syncd.capture.keys IS 'The key columns in key order.';
COMMENT ON COLUMN syncd.capture.excluded IS 'Columns that never leave the shop.';
COMMENT ON COLUMN syncd.capture.coalesce IS 'Only the newest pending state is sent.';
COMMENT ON COLUMN syncd.capture.keep_previous IS 'Old values are captured beside the new ones.';
COMMENT ON COLUMN syncd.capture.fingerprint IS 'Digest of the columns that the triggers were made for.';
COMMENT ON COLUMN syncd.capture.shape IS 'The fingerprint as a small number, to stand beside every row_hash.';
COMMENT ON COLUMN syncd.capture.trigger_version IS 'Digest of the generated triggers.';
COMMENT ON COLUMN syncd.capture.failures IS 'The sequence that counts capture failures of this table.';
COMMENT ON COLUMN syncd.capture.granted IS 'What the daemon''s role was given for it: tables, sequences and schemas, as GRANT wants them named.';
COMMENT ON COLUMN syncd.capture.installed_at IS 'When the triggers were made.';

CREATE TABLE syncd.daemon (
  id              uuid CONSTRAINT "one row for one run" PRIMARY KEY,
  host            text NOT NULL,
  pid             integer NOT NULL,
  version         text NOT NULL,
  leader_epoch    bigint NOT NULL,
  started_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  heartbeat_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  stopped_at      timestamptz,
  online          boolean,
  offline_since   timestamptz,
  last_error      text,
  next_try_at     timestamptz,
  refused         text,
  clock_offset_ms double precision
);
CREATE SEQUENCE syncd.leader_epochs AS bigint;
COMMENT ON SEQUENCE syncd.leader_epochs IS 'Every daemon that becomes the leader draws one; a settle checks that its own is the newest.';
COMMENT ON TABLE syncd.daemon IS 'One run of the daemon, and what it last knew of the cloud.';
COMMENT ON COLUMN syncd.daemon.id IS 'Made anew at every start.';
COMMENT ON COLUMN syncd.daemon.host IS 'Where it runs.';
COMMENT ON COLUMN syncd.daemon.pid IS 'Its process there.';
COMMENT ON COLUMN syncd.daemon.version IS 'The program''s version.';
COMMENT ON COLUMN syncd.daemon.leader_epoch IS 'Fences settles of an earlier leader.';
COMMENT ON COLUMN syncd.daemon.started_at IS 'When it became the leader.';
COMMENT ON COLUMN syncd.daemon.heartbeat_at IS 'The last sign of life.';
COMMENT ON COLUMN syncd.daemon.stopped_at IS 'When it ended in good order.';
COMMENT ON COLUMN syncd.daemon.online IS 'Null: not tried yet.';
COMMENT ON COLUMN syncd.daemon.offline_since IS 'The first failure of this outage.';
COMMENT ON COLUMN syncd.daemon.last_error IS 'The last failure in words.';
COMMENT ON COLUMN syncd.daemon.next_try_at IS 'When it will try next.';
COMMENT ON COLUMN syncd.daemon.refused IS 'The cloud refuses this outlet (401, 403, 404, 426 ...), in words.';
COMMENT ON COLUMN syncd.daemon.clock_offset_ms IS 'The cloud''s clock less ours; null: unknown.';

CREATE TABLE syncd.commands (
  id           bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "a command has one number" PRIMARY KEY,
  command      text NOT NULL,
  args         json,
  requested_by text NOT NULL DEFAULT session_user,
  requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at  timestamptz,
  outcome      text,
  error        text
);
CREATE INDEX commands_open ON syncd.commands (id) WHERE finished_at IS NULL;
CREATE INDEX commands_finished ON syncd.commands (finished_at);
CREATE INDEX commands_discards ON syncd.commands (id) WHERE command = 'discard';
COMMENT ON TABLE syncd.commands IS 'One request of a person: who, when, and what became of it.';
COMMENT ON COLUMN syncd.commands.id IS 'Its number.';
COMMENT ON COLUMN syncd.commands.command IS 'now, push, retry, discard, pause or resume.';
COMMENT ON COLUMN syncd.commands.args IS 'What it was about, and the reason given.';
COMMENT ON COLUMN syncd.commands.requested_by IS 'The database role, or the person''s name where one was given.';
COMMENT ON COLUMN syncd.commands.requested_at IS 'When it was asked for.';
COMMENT ON COLUMN syncd.commands.finished_at IS 'When it was done; null: waits for the daemon.';
COMMENT ON COLUMN syncd.commands.outcome IS 'What was done, in words.';
COMMENT ON COLUMN syncd.commands.error IS 'Why it could not be done.';

-- Unsettled changes, as two arms so that each finds its own partial index.
CREATE VIEW syncd.unsettled AS
  SELECT * FROM syncd.sync_queue WHERE status = 'pending' AND next_attempt_at IS NULL
  UNION ALL
  SELECT * FROM syncd.sync_queue
  WHERE status IN ('failed', 'conflict') OR (next_attempt_at IS NOT NULL AND status = 'pending');
COMMENT ON VIEW syncd.unsettled IS 'Every change that is not in the cloud yet: pending, failed or in conflict.';

CREATE VIEW syncd.entity_status AS
  SELECT entity_type, entity_id, s.version, s.cloud_version, s.cloud_id, s.deleted, s.last_synced_at,
         CASE WHEN q.conflict THEN 'conflict'
              WHEN q.failed THEN 'failed'
              WHEN q.entity_id IS NOT NULL THEN 'pending'
              ELSE 'synced' END AS status
  FROM syncd.entity_state s
  FULL JOIN (
    SELECT entity_type, entity_id, bool_or(status = 'conflict') AS conflict, bool_or(status = 'failed') AS failed
    FROM syncd.unsettled GROUP BY entity_type, entity_id
  ) q USING (entity_type, entity_id);
COMMENT ON VIEW syncd.entity_status IS 'Every known entity: pending, synced, conflict or failed.';

CREATE VIEW syncd.sync_light AS
  SELECT waiting = 0 AND troubled = 0 AS safe, waiting, troubled, since
  FROM (SELECT count(*) FILTER (WHERE status = 'pending') AS waiting,
               count(*) FILTER (WHERE status <> 'pending') AS troubled,
               min(created_at) AS since
        FROM syncd.unsettled) q;
COMMENT ON VIEW syncd.sync_light IS 'For the till, should it want a lamp: is everything in the cloud, how many wait, since when.';
