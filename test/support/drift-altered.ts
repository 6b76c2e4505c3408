/** What people do to captured tables, one table for each, and what drift calls it. */

/** By table: what happens to it, and what that is called. */
export const ALTERED: Record<string, [ddl: string, kind: string]> = {
  disabled: ['ALTER TABLE disabled DISABLE TRIGGER "!syncd insert"', 'triggers'],
  invoked: ['ALTER FUNCTION syncd.capture_invoked_insert() SECURITY INVOKER', 'triggers'],
  powerless: ['ALTER FUNCTION syncd.capture_powerless_insert() OWNER TO pg_monitor', 'triggers'],
  uncounted: ['REVOKE ALL ON SEQUENCE syncd.failures_uncounted FROM syncd_capture', 'triggers'],
  silenced: ['ALTER TABLE silenced DISABLE TRIGGER ALL', 'triggers'],
  replica: ['ALTER TABLE replica ENABLE REPLICA TRIGGER "!syncd update"', 'triggers'],
  dropped: ['DROP TRIGGER "!syncd truncate" ON dropped', 'triggers'],
  replaced: [
    `CREATE OR REPLACE FUNCTION syncd.capture_replaced_delete() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
    'triggers',
  ],
  reset: ['ALTER FUNCTION syncd.capture_reset_delete() RESET lock_timeout', 'triggers'],
  attached: [
    'CREATE TABLE whole (LIKE attached) PARTITION BY LIST (id); ALTER TABLE whole ATTACH PARTITION attached DEFAULT',
    'triggers',
  ],
  heir: ['CREATE TABLE ancestor (id int NOT NULL); ALTER TABLE heir INHERIT ancestor', 'triggers'],
  stamped: [
    `CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
     CREATE TRIGGER stamp AFTER INSERT ON stamped FOR EACH ROW EXECUTE FUNCTION stamp()`,
    'triggers',
  ],
  summed: [
    `CREATE FUNCTION zähle() RETURNS void LANGUAGE sql AS 'UPDATE summed SET qty = qty + 1';
     CREATE FUNCTION sum() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM zähle(); RETURN NEW; END';
     CREATE TABLE lines (id int); CREATE TRIGGER sum BEFORE INSERT ON lines FOR EACH ROW EXECUTE FUNCTION sum()`,
    'triggers',
  ],
  shifting: ['ALTER TABLE shifting DROP CONSTRAINT shifting_pkey, ADD PRIMARY KEY (id) DEFERRABLE', 'triggers'],
  parent: ['CREATE TABLE child () INHERITS (parent)', 'child'],
  wider: ['ALTER TABLE wider ADD note text', 'columns'],
  narrower: ['ALTER TABLE narrower DROP name', 'columns'],
  retyped: ['ALTER TABLE retyped ALTER qty TYPE numeric(14,3)', 'columns'],
  reworded: ['ALTER TABLE reworded RENAME qty TO quantity', 'column_renamed'],
  demanding: ['ALTER TABLE demanding ADD till text NOT NULL', 'required'],
  moved: ['ALTER TABLE moved SET SCHEMA attic', 'renamed'],
  recreated: ['DROP TABLE recreated; CREATE TABLE recreated (id int PRIMARY KEY, name text, qty int)', 'recreated'],
  swapped: [
    'ALTER TABLE swapped RENAME TO was_swapped; CREATE TABLE swapped (LIKE was_swapped INCLUDING ALL)',
    'recreated',
  ],
};
