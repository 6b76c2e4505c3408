/**
 * Where a database lives, as the server itself says: what a copy of the files keeps, what a dump loses, what a promotion raises.
 * Reads only; every role may ask.
 */
import { type RawBuilder, sql } from 'kysely';
import { SyncError } from '../errors.js';
import type { Db } from './connect.js';

export type Place = {
  /** Of the server: made by initdb, kept by every copy of its files, another one after pg_upgrade. */
  system: string;
  /** Its oid: another one in a copy beside it, and after a restore of a dump. */
  database: string;
  /** The oid of syncd.sync_queue: another one also where a dump was restored into the same database. */
  queue: string;
  /** Begins at 1; a promoted standby and a recovered backup begin a new one. */
  timeline: number;
  /** As Postgres writes it. While it is the same nobody has exchanged the files under this server. */
  server_started_at: string;
};

/** Six columns of one row. The first digits of a WAL file's name are the timeline; the control file lags behind a promotion. */
export const placeColumns: RawBuilder<unknown> = sql`
  (SELECT system_identifier::text FROM pg_control_system()) AS system,
  (SELECT oid::text FROM pg_database WHERE datname = current_database()) AS database,
  'syncd.sync_queue'::regclass::oid::text AS queue,
  ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int AS timeline,
  pg_postmaster_start_time()::text AS server_started_at`;

/**
 * Whether the tables are still those that the outlet settled in. A backup can be restored under open connections, and these go on
 * with the new tables as if nothing had been; whoever sends or settles asks for this in the same statement. No home: nobody has
 * worked here yet.
 */
export const atHome: RawBuilder<boolean> = sql`
  (SELECT coalesce(o.home_queue = 'syncd.sync_queue'::pg_catalog.regclass, true) FROM syncd.outlet_config o)`;

export async function isAtHome(db: Db): Promise<boolean> {
  const { rows } = await sql<{ at_home: boolean | null }>`SELECT ${atHome} AS at_home`.execute(db);
  return rows[0]?.at_home !== false;
}

/** Ends the session; the next one looks at the database anew before it does anything. */
export function tablesExchanged(): SyncError {
  return new SyncError('failed', 'the tables of syncd were exchanged while the daemon worked: was a backup restored?', {
    hint: 'See: syncd adopt',
  });
}

/** Writes down that the outlet lives here now; part of an UPDATE of syncd.outlet_config. */
export const setHome: RawBuilder<unknown> = sql`
  home_outlet_id = outlet_id, home_system = here.system, home_database = here.database::oid, home_queue = here.queue::oid,
  home_timeline = here.timeline, home_server_started_at = here.server_started_at::timestamptz`;

/** Notes it in a transaction of its own. */
export async function moveIn(db: Db): Promise<void> {
  await sql`UPDATE syncd.outlet_config SET ${setHome} FROM (SELECT ${placeColumns}) AS here`.execute(db);
}
