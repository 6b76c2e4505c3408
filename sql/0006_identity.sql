-- Where an outlet's database lives, so that a copy of it is told from it, and who waits beside the leader.

ALTER TABLE syncd.outlet_config
  ADD COLUMN settled_id bigint NOT NULL DEFAULT 0,
  ADD COLUMN adopted_from uuid,
  ADD COLUMN adopted_at timestamptz,
  ADD COLUMN stopped_epoch bigint,
  ADD COLUMN home_outlet_id text,
  ADD COLUMN home_system text,
  ADD COLUMN home_database oid,
  ADD COLUMN home_queue oid,
  ADD COLUMN home_timeline integer,
  ADD COLUMN home_server_started_at timestamptz,
  ADD CONSTRAINT "a home is known as a whole" CHECK (
    num_nulls(home_outlet_id, home_system, home_database, home_queue, home_timeline, home_server_started_at) IN (0, 6));
COMMENT ON COLUMN syncd.outlet_config.settled_id IS 'The highest id of the queue that a push has settled; written with the settle, and outlives the settled rows. A restored backup falls behind what the state directory remembers.';
COMMENT ON COLUMN syncd.outlet_config.adopted_from IS 'The install id before the last syncd adopt.';
COMMENT ON COLUMN syncd.outlet_config.adopted_at IS 'When a person last ran syncd adopt.';
COMMENT ON COLUMN syncd.outlet_config.stopped_epoch IS 'The epoch that the cloud named when it answered fork; null: it named none.';
COMMENT ON COLUMN syncd.outlet_config.home_outlet_id IS 'The outlet that this database was working for; null, as all of the home: no daemon has worked on it yet.';
COMMENT ON COLUMN syncd.outlet_config.home_system IS 'The system identifier of the server that it worked on.';
COMMENT ON COLUMN syncd.outlet_config.home_database IS 'The oid of this database there.';
COMMENT ON COLUMN syncd.outlet_config.home_queue IS 'The oid of the table sync_queue there.';
COMMENT ON COLUMN syncd.outlet_config.home_timeline IS 'The server''s timeline; a higher one begins where a standby was promoted or a backup was recovered.';
COMMENT ON COLUMN syncd.outlet_config.home_server_started_at IS 'When that server was started: while it runs, nobody can have put an older copy of its files in its place.';

CREATE TABLE syncd.put_away (
  id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "what is put away has one number" PRIMARY KEY,
  outlet_id   text NOT NULL,
  install_id  uuid NOT NULL,
  put_away_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  source      text NOT NULL,
  record      json NOT NULL
);
COMMENT ON TABLE syncd.put_away IS 'One row of what a copied database brought along from the outlet that it was copied from. Kept for people; nothing reads it.';
COMMENT ON COLUMN syncd.put_away.id IS 'In the order in which it was put away.';
COMMENT ON COLUMN syncd.put_away.outlet_id IS 'The outlet that it belonged to.';
COMMENT ON COLUMN syncd.put_away.install_id IS 'The install id that it belonged to.';
COMMENT ON COLUMN syncd.put_away.put_away_at IS 'When syncd adopt put it away.';
COMMENT ON COLUMN syncd.put_away.source IS 'The table of syncd that it stood in.';
COMMENT ON COLUMN syncd.put_away.record IS 'The whole row.';

ALTER TABLE syncd.daemon
  ADD COLUMN role text NOT NULL DEFAULT 'leader',
  ADD CONSTRAINT "a daemon leads or stands by" CHECK (role IN ('leader', 'standby')),
  ADD CONSTRAINT "who stands by has no epoch" CHECK ((role = 'standby') = (leader_epoch = 0));
COMMENT ON COLUMN syncd.daemon.role IS 'leader, or standby: it waits to take over, and settles nothing.';
COMMENT ON COLUMN syncd.daemon.leader_epoch IS 'Fences settles of an earlier leader; 0: it only stands by.';
