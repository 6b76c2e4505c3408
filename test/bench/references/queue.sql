-- The queue of the references "smallest" and "naive": the columns of syncd's that they fill, and its one hot index.
CREATE SCHEMA reference;
CREATE TABLE reference.sync_queue (
  id          bigint GENERATED ALWAYS AS IDENTITY,
  entity_type text NOT NULL,
  entity_id   text NOT NULL,
  operation   text NOT NULL,
  payload     json,
  status      text NOT NULL DEFAULT 'pending',
  synced_at   timestamptz
);
CREATE INDEX ON reference.sync_queue (id) WHERE status = 'pending';
