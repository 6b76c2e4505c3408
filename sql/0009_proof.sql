-- What came of the last comparison with the cloud, for everybody who asks whether all is there.

CREATE TABLE syncd.proofs (
  entity_type   text CONSTRAINT "one proof for one entity type" PRIMARY KEY,
  compared_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  compared_by   text NOT NULL,
  entities      bigint NOT NULL,
  on_the_way    bigint NOT NULL,
  differences   bigint NOT NULL,
  lost          bigint NOT NULL,
  beyond_repair bigint NOT NULL,
  skipped       text,
  CONSTRAINT "what is lost is a difference" CHECK (lost BETWEEN 0 AND differences)
);
COMMENT ON TABLE syncd.proofs IS 'One entity type as it was last compared with the cloud by digest.';
COMMENT ON COLUMN syncd.proofs.entity_type IS 'The name in syncd.yaml.';
COMMENT ON COLUMN syncd.proofs.compared_at IS 'When the comparison ended.';
COMMENT ON COLUMN syncd.proofs.compared_by IS 'Who asked for it.';
COMMENT ON COLUMN syncd.proofs.entities IS 'Living entities that both sides had agreed on.';
COMMENT ON COLUMN syncd.proofs.on_the_way IS 'Of those that might differ, how many had a change on its way; they were left out.';
COMMENT ON COLUMN syncd.proofs.differences IS 'Entities that differed, seen twice, and that a repair can mend.';
COMMENT ON COLUMN syncd.proofs.lost IS 'Of those, what the cloud had accepted and did not have any more, or in an older version.';
COMMENT ON COLUMN syncd.proofs.beyond_repair IS 'Entities that differed, and that nothing here can mend: their row was put away, or never was here, or is only pulled.';
COMMENT ON COLUMN syncd.proofs.skipped IS 'Why it could not be compared; null: it was.';
