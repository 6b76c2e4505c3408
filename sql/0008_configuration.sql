ALTER TABLE syncd.daemon ADD COLUMN config_changed_at timestamptz;
COMMENT ON COLUMN syncd.daemon.config_changed_at IS 'When the configuration file was changed without this daemon having read it; null: what it says is in force.';
