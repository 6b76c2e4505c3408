-- What is written down about syncing itself: a sample a minute for the charts, the ledger of outages, and who was told what.

CREATE TABLE syncd.samples (
  minute            timestamptz CONSTRAINT "one sample for one minute" PRIMARY KEY,
  captured          integer NOT NULL,
  pushed            integer NOT NULL,
  pulled            integer NOT NULL,
  refused           integer NOT NULL,
  queue_depth       integer NOT NULL,
  oldest_pending_ms double precision NOT NULL,
  failed            integer NOT NULL,
  conflicts         integer NOT NULL,
  held              integer NOT NULL,
  push_count        integer NOT NULL,
  push_ms           double precision NOT NULL,
  push_bytes        bigint NOT NULL,
  online            boolean
);
COMMENT ON TABLE syncd.samples IS 'Figures of one minute, for charts. A minute in which no daemon worked has no row; the last 8 days'' worth of rows are kept.';
COMMENT ON COLUMN syncd.samples.minute IS 'The minute''s beginning, by the outlet''s clock.';
COMMENT ON COLUMN syncd.samples.captured IS 'Changes that were captured in it.';
COMMENT ON COLUMN syncd.samples.pushed IS 'Changes that the cloud accepted in it.';
COMMENT ON COLUMN syncd.samples.pulled IS 'Changes of the cloud that were applied in it.';
COMMENT ON COLUMN syncd.samples.refused IS 'Changes that the cloud rejected in it, or answered with a conflict.';
COMMENT ON COLUMN syncd.samples.queue_depth IS 'Pending changes at its end.';
COMMENT ON COLUMN syncd.samples.oldest_pending_ms IS 'Age of the oldest pending change at its end; 0: none waited.';
COMMENT ON COLUMN syncd.samples.failed IS 'Failed changes at its end.';
COMMENT ON COLUMN syncd.samples.conflicts IS 'Open conflicts at its end.';
COMMENT ON COLUMN syncd.samples.held IS 'Pending changes that wait for their retry or behind another change, at its end.';
COMMENT ON COLUMN syncd.samples.push_count IS 'Pushes that were answered in it.';
COMMENT ON COLUMN syncd.samples.push_ms IS 'How long those took, together.';
COMMENT ON COLUMN syncd.samples.push_bytes IS 'What those carried, as it travelled.';
COMMENT ON COLUMN syncd.samples.online IS 'Whether the cloud was within reach at its end; null: not known.';

CREATE TABLE syncd.outages (
  id              bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "an outage has one number" PRIMARY KEY,
  began_at        timestamptz NOT NULL,
  ended_at        timestamptz,
  reason          text NOT NULL,
  interruptions   integer NOT NULL DEFAULT 1,
  waited          bigint,
  last_change     bigint,
  drained_at      timestamptz,
  drained_changes bigint,
  CONSTRAINT "an outage does not end before it began" CHECK (ended_at >= began_at),
  CONSTRAINT "what waited is counted when an outage ends" CHECK ((ended_at IS NULL) = (waited IS NULL)),
  CONSTRAINT "what waited is drained after the outage" CHECK (drained_at IS NULL OR drained_at >= ended_at)
);
CREATE UNIQUE INDEX outages_open ON syncd.outages ((true)) WHERE ended_at IS NULL;
CREATE INDEX outages_draining ON syncd.outages (id) WHERE drained_at IS NULL;
CREATE INDEX outages_began ON syncd.outages (began_at);
COMMENT ON TABLE syncd.outages IS 'One time without the cloud. Interruptions that follow each other closely are one outage.';
COMMENT ON COLUMN syncd.outages.id IS 'Its number.';
COMMENT ON COLUMN syncd.outages.began_at IS 'The first call that was not answered.';
COMMENT ON COLUMN syncd.outages.ended_at IS 'The first answer after it; null: it lasts.';
COMMENT ON COLUMN syncd.outages.reason IS 'What the first call met, in words.';
COMMENT ON COLUMN syncd.outages.interruptions IS 'How often the line went within it.';
COMMENT ON COLUMN syncd.outages.waited IS 'Changes that were pending when it ended.';
COMMENT ON COLUMN syncd.outages.last_change IS 'The highest id in the queue at that moment: what waited is not above it.';
COMMENT ON COLUMN syncd.outages.drained_at IS 'When the last of them that could go was settled.';
COMMENT ON COLUMN syncd.outages.drained_changes IS 'How many of them were settled by then; the others are held back, failed or in conflict.';

CREATE TABLE syncd.alerts (
  id         bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "an alert has one number" PRIMARY KEY,
  alert      text NOT NULL,
  severity   text NOT NULL,
  raised_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  well_since timestamptz,
  cleared_at timestamptz,
  value      text NOT NULL,
  detail     text NOT NULL,
  told_at    timestamptz,
  told_error text,
  CONSTRAINT "an alert is a warning or critical" CHECK (severity IN ('warning', 'critical'))
);
CREATE UNIQUE INDEX alerts_open ON syncd.alerts (alert) WHERE cleared_at IS NULL;
CREATE INDEX alerts_raised ON syncd.alerts (raised_at);
COMMENT ON TABLE syncd.alerts IS 'One trouble that people are told of: once when it comes, once when it is over.';
COMMENT ON COLUMN syncd.alerts.id IS 'Its number.';
COMMENT ON COLUMN syncd.alerts.alert IS 'Which rule: failed, conflicts, offline, oldest_pending, failure_rate, capture, disk and so on.';
COMMENT ON COLUMN syncd.alerts.severity IS 'critical: it does not heal without a person.';
COMMENT ON COLUMN syncd.alerts.raised_at IS 'When the rule first found it.';
COMMENT ON COLUMN syncd.alerts.well_since IS 'Since when the rule finds nothing any more; it is over once that has lasted.';
COMMENT ON COLUMN syncd.alerts.cleared_at IS 'When it was over.';
COMMENT ON COLUMN syncd.alerts.value IS 'The figure that raised it.';
COMMENT ON COLUMN syncd.alerts.detail IS 'What people are told: outlet, what, since when, what to do.';
COMMENT ON COLUMN syncd.alerts.told_at IS 'When everybody had been told that it came.';
COMMENT ON COLUMN syncd.alerts.told_error IS 'Why somebody could not be told, the last time.';

CREATE TABLE syncd.alert_messages (
  id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "an alert message has one number" PRIMARY KEY,
  alert_id    bigint NOT NULL,
  event       text NOT NULL,
  target      text NOT NULL,
  body        json NOT NULL,
  attempts    integer NOT NULL DEFAULT 0,
  next_try_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT "an alert is raised or cleared" CHECK (event IN ('raised', 'cleared')),
  CONSTRAINT "each is told of an alert once" UNIQUE (alert_id, event, target)
);
COMMENT ON TABLE syncd.alert_messages IS 'One message that somebody is still to be told; it leaves once it is told, or given up.';
COMMENT ON COLUMN syncd.alert_messages.id IS 'Its number.';
COMMENT ON COLUMN syncd.alert_messages.alert_id IS 'The alert that it tells of.';
COMMENT ON COLUMN syncd.alert_messages.event IS 'raised or cleared.';
COMMENT ON COLUMN syncd.alert_messages.target IS 'Which entry of alerts.send, by a digest: its URL may be a secret.';
COMMENT ON COLUMN syncd.alert_messages.body IS 'What is sent.';
COMMENT ON COLUMN syncd.alert_messages.attempts IS 'Tries that failed.';
COMMENT ON COLUMN syncd.alert_messages.next_try_at IS 'Not tried before this instant.';

-- Every change is a row that is written, settled and leaves: by PostgreSQL's own thresholds a fifth of a month's history would be
-- dead before anybody cleans up. In a simulated day of 100,000 changes the table stays 8 % smaller, the index of what waits, which
-- every look at the queue begins with, a third.
-- A vacuum that gives the end of the file back to the disk keeps the whole table to itself meanwhile: after a large backlog sales
-- waited 100 to 200 ms for that, and some went by uncaptured. What it leaves is used by the next changes.
ALTER TABLE syncd.sync_queue SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
  vacuum_truncate = off, toast.vacuum_truncate = off);
ALTER TABLE syncd.entity_state SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);
