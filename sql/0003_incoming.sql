-- What comes from the cloud, and what becomes of it.

CREATE TABLE syncd.inbox (
  id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "an event has one number" PRIMARY KEY,
  event_id    text NOT NULL CONSTRAINT "an event is taken in once" UNIQUE,
  source      text NOT NULL,
  sent_at     timestamptz,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  changes     integer NOT NULL,
  CONSTRAINT "an event comes by pull, fetch or webhook" CHECK (source IN ('pull', 'fetch', 'webhook'))
);
CREATE INDEX inbox_received ON syncd.inbox (received_at);
COMMENT ON TABLE syncd.inbox IS 'One incoming event: a page, a fetched entity or a webhook. Stored before it is answered; remembered so that it counts once.';
COMMENT ON COLUMN syncd.inbox.id IS 'Place in the inbox.';
COMMENT ON COLUMN syncd.inbox.event_id IS 'The event''s name for ever, with its source in front.';
COMMENT ON COLUMN syncd.inbox.source IS 'pull, fetch or webhook.';
COMMENT ON COLUMN syncd.inbox.sent_at IS 'When the cloud says it sent it.';
COMMENT ON COLUMN syncd.inbox.received_at IS 'When it was stored.';
COMMENT ON COLUMN syncd.inbox.changes IS 'How many changes it brought.';

CREATE TABLE syncd.incoming (
  id              bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "an incoming change has one number" PRIMARY KEY,
  inbox_id        bigint NOT NULL,
  source          text NOT NULL,
  entity_type     text COLLATE "C" NOT NULL,
  entity_id       text COLLATE "C" NOT NULL,
  cloud_id        text,
  operation       text NOT NULL,
  cloud_version   bigint,
  updated_at      timestamptz,
  data            json,
  status          text NOT NULL DEFAULT 'waiting',
  attempts        integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz,
  reason          text,
  waits_for_type  text COLLATE "C",
  waits_for_id    text COLLATE "C",
  received_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT "an incoming change is a create, an update, a delete or a hint" CHECK (operation IN ('create', 'update', 'delete', 'hint')),
  CONSTRAINT "an incoming change waits or is parked" CHECK (status IN ('waiting', 'parked')),
  CONSTRAINT "an incoming change comes by pull, fetch, webhook or conflict" CHECK (source IN ('pull', 'fetch', 'webhook', 'conflict'))
);
CREATE INDEX incoming_waiting ON syncd.incoming (id) WHERE status = 'waiting' AND next_attempt_at IS NULL;
CREATE INDEX incoming_later ON syncd.incoming (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX incoming_troubled ON syncd.incoming (entity_type, entity_id) WHERE status = 'parked' OR next_attempt_at IS NOT NULL;
CREATE INDEX incoming_parked ON syncd.incoming (id) WHERE status = 'parked';
CREATE INDEX incoming_hints ON syncd.incoming (id) WHERE operation = 'hint';
CREATE INDEX incoming_orphans ON syncd.incoming (waits_for_id, waits_for_type) WHERE waits_for_id IS NOT NULL;
COMMENT ON TABLE syncd.incoming IS 'One incoming change that is not dealt with yet; it leaves in the transaction that deals with it.';
COMMENT ON COLUMN syncd.incoming.id IS 'Place among the incoming changes.';
COMMENT ON COLUMN syncd.incoming.inbox_id IS 'The event that brought it.';
COMMENT ON COLUMN syncd.incoming.source IS 'pull, fetch, webhook, or conflict: the webhook with which the cloud tells of one.';
COMMENT ON COLUMN syncd.incoming.entity_type IS 'The cloud''s word for the entity; it need not be one of ours.';
COMMENT ON COLUMN syncd.incoming.entity_id IS 'The primary key as text.';
COMMENT ON COLUMN syncd.incoming.cloud_id IS 'The cloud''s own name for the entity.';
COMMENT ON COLUMN syncd.incoming.operation IS 'create, update, delete, or hint: the entity has to be fetched.';
COMMENT ON COLUMN syncd.incoming.cloud_version IS 'The version that this change made; null on a hint that does not tell.';
COMMENT ON COLUMN syncd.incoming.updated_at IS 'When the cloud''s edit was made.';
COMMENT ON COLUMN syncd.incoming.data IS 'The whole row, as the cloud wrote it; null on delete and on a hint.';
COMMENT ON COLUMN syncd.incoming.status IS 'waiting, or parked: it could not be applied and does not stop the others.';
COMMENT ON COLUMN syncd.incoming.attempts IS 'How often it was put off.';
COMMENT ON COLUMN syncd.incoming.next_attempt_at IS 'Not looked at before this instant; null: at once if waiting, not by itself if parked.';
COMMENT ON COLUMN syncd.incoming.reason IS 'Why it was put off or parked.';
COMMENT ON COLUMN syncd.incoming.waits_for_type IS 'Its parent''s entity type, where that one is missing.';
COMMENT ON COLUMN syncd.incoming.waits_for_id IS 'Its parent''s entity id: once that one is applied, this one is tried again.';
COMMENT ON COLUMN syncd.incoming.received_at IS 'When it was stored. The event that brought it may be forgotten by the time that somebody asks.';

-- Changes that this one contains and that are settled with it already: the cloud may have applied one of them unheard.
ALTER TABLE syncd.sync_queue ADD COLUMN supersedes uuid[];
COMMENT ON COLUMN syncd.sync_queue.supersedes IS 'Settled changes whose effect a resolution put into this one, or that a person gave up before it.';
-- Null at a sale, whose row has its map of nulls anyway: 7,000 instructions of 2.1 million (A6).
ALTER TABLE syncd.sync_queue ADD COLUMN undated boolean;
COMMENT ON COLUMN syncd.sync_queue.undated IS 'True: when the shop made the edit is not on record, or it made none: a row that was queued as it stood, or what triggers of the POS made of one that came in.';
-- Again as it was, so that it shows the new columns.
CREATE OR REPLACE VIEW syncd.unsettled AS
  SELECT * FROM syncd.sync_queue WHERE status = 'pending' AND next_attempt_at IS NULL
  UNION ALL
  SELECT * FROM syncd.sync_queue
  WHERE status IN ('failed', 'conflict') OR (next_attempt_at IS NOT NULL AND status = 'pending');

ALTER TABLE syncd.sync_conflicts
  DROP CONSTRAINT "a conflict is found by a push",
  ADD COLUMN resolution text,
  ADD COLUMN result json,
  ADD COLUMN resolved_change_id uuid,
  ADD COLUMN attempts integer NOT NULL DEFAULT 0,
  ADD COLUMN next_attempt_at timestamptz,
  ADD CONSTRAINT "a conflict is found by push, pull, fetch or webhook" CHECK (source IN ('push', 'pull', 'fetch', 'webhook')),
  ADD CONSTRAINT "a resolution keeps the cloud's side, the shop's, a mixture or given values"
    CHECK (resolution IN ('cloud', 'local', 'merged', 'data', 'equal'));
DROP INDEX syncd.sync_conflicts_open;
CREATE UNIQUE INDEX sync_conflicts_open ON syncd.sync_conflicts (entity_type, entity_id) WHERE status = 'open';
CREATE INDEX sync_conflicts_history ON syncd.sync_conflicts (entity_type, entity_id, id);
CREATE INDEX sync_conflicts_undecided ON syncd.sync_conflicts (id) WHERE status = 'open' AND reason IS NULL;
CREATE INDEX sync_conflicts_refused ON syncd.sync_conflicts (next_attempt_at) WHERE status = 'open' AND next_attempt_at IS NOT NULL;
CREATE INDEX sync_conflicts_resolved ON syncd.sync_conflicts (resolved_at) WHERE resolved_at IS NOT NULL;
COMMENT ON COLUMN syncd.sync_conflicts.resolution IS 'Which side was kept: cloud, local, merged, data (given by a person), equal (both were the same).';
COMMENT ON COLUMN syncd.sync_conflicts.result IS 'The row that both sides then agreed on; null: deleted. What is in local or cloud and not here was discarded.';
COMMENT ON COLUMN syncd.sync_conflicts.resolved_change_id IS 'The change that carries the result to the cloud; null: the cloud has it.';
COMMENT ON COLUMN syncd.sync_conflicts.attempts IS 'How often in a row the shop''s table refused what its rule decided.';
COMMENT ON COLUMN syncd.sync_conflicts.next_attempt_at IS 'When its rule is tried again; null: at once, or by nobody where there is a reason.';

ALTER TABLE syncd.outlet_config
  ADD COLUMN pull_cursor text,
  ADD COLUMN pull_types text[],
  ADD COLUMN last_pull_at timestamptz,
  ADD COLUMN cloud_epoch text,
  ADD COLUMN webhooks_timestamped boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN syncd.outlet_config.pull_types IS 'The entity types that come in by the cursor; of any other it has passed over what came before.';
COMMENT ON COLUMN syncd.outlet_config.pull_cursor IS 'The cloud''s own mark of how far was pulled; stored with the page that it follows.';
COMMENT ON COLUMN syncd.outlet_config.last_pull_at IS 'The last answered pull.';
COMMENT ON COLUMN syncd.outlet_config.cloud_epoch IS 'Names the cloud''s own history; another one means that the cloud was restored.';
COMMENT ON COLUMN syncd.outlet_config.webhooks_timestamped IS 'A webhook with a signed time has come: the profile without one is refused from then on.';

ALTER TABLE syncd.daemon
  ADD COLUMN pull_error text,
  ADD COLUMN pull_offline_since timestamptz;
COMMENT ON COLUMN syncd.daemon.pull_error IS 'Why pulls are not answered, or refused, in words; null: they are answered, or there are none.';
COMMENT ON COLUMN syncd.daemon.pull_offline_since IS 'The first pull in a row that was not answered.';

CREATE TABLE syncd.clock_offsets (
  id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "an entry of the clock log has one number" PRIMARY KEY,
  at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  offset_ms   double precision,
  jumped_from timestamptz
);
COMMENT ON TABLE syncd.clock_offsets IS 'What was known of the clock, whenever that changed: an edit is dated by what was known when it was captured.';
COMMENT ON COLUMN syncd.clock_offsets.id IS 'The order in which it was noted; the instants themselves jump with the clock.';
COMMENT ON COLUMN syncd.clock_offsets.at IS 'Since when, by the outlet''s clock.';
COMMENT ON COLUMN syncd.clock_offsets.offset_ms IS 'The cloud''s clock less ours; null: unknown.';
COMMENT ON COLUMN syncd.clock_offsets.jumped_from IS 'The wall clock was set just before; this is what it would show else.';
