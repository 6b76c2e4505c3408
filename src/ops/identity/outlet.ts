/** Who this outlet is, as the installation wrote it down: what every push says of its sender, and what tells it from a copy. */
import { sql } from 'kysely';
import type { Settings } from '../../config/settings.js';
import { type Db, openDb } from '../../db/connect.js';
import { databaseError, nameOf } from '../../db/database-error.js';
import { type Place, placeColumns } from '../../db/place.js';
import { TABLE_NAMED } from '../../drift/look.js';
import { INSTALL, SyncError } from '../../errors.js';
import type { Found, Memory, Remembered } from './verdict.js';

export type Identity = { outlet_id: string; install_id: string; epoch: string };

/** @throws SyncError `configuration` where the database belongs to another outlet, or to none */
export async function readIdentity(db: Db, settings: Settings): Promise<Identity> {
  const outlet = await db
    .selectFrom('syncd.outlet_config')
    .select(['outlet_id', 'install_id', 'epoch'])
    .executeTakeFirst();
  if (outlet?.outlet_id === settings.outlet.id) return outlet;
  if (outlet) {
    throw new SyncError(
      'configuration',
      `outlet.id is ${settings.outlet.id}, but the database belongs to outlet ${outlet.outlet_id}`,
      {
        hint: `Correct outlet.id in syncd.yaml. Only where this database is a copy that becomes outlet ${settings.outlet.id}: syncd adopt --as clone`,
      },
    );
  }
  throw new SyncError(
    'configuration',
    `outlet.id is ${settings.outlet.id}, but the database belongs to no outlet yet`,
    {
      hint: `Make the database match the configuration: ${INSTALL}`,
    },
  );
}

/**
 * Before an install: where a daemon has worked for one outlet, the configuration of another one would end the capture of its tables.
 * @param url of the login that installs
 * @throws SyncError `configuration` where it is another outlet's; what Postgres says
 */
export async function refuseOthers(url: string, { outlet }: Settings): Promise<void> {
  const db = openDb(url, { role: 'install' });
  try {
    const { rows: found } = await sql<{ there: boolean }>`
      SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'syncd'
                     WHERE c.relname = 'outlet_config' AND has_schema_privilege(n.oid, 'USAGE')) AS there`.execute(db);
    // Who may not look is refused by the install itself, and told what he lacks.
    if (!found[0]?.there) return;
    const { rows } = await sql<{ id: string }>`
      SELECT outlet_id AS id FROM syncd.outlet_config o WHERE to_json(o) ->> 'home_outlet_id' IS NOT NULL`.execute(db);
    const id = rows[0]?.id;
    if (id === undefined || id === outlet.id) return;
    throw new SyncError(
      'configuration',
      `nothing was changed: outlet.id is ${outlet.id}, but ${nameOf(url)} belongs to outlet ${id}`,
      {
        hint: `Is it the right configuration, and the right database? Only where this database becomes outlet ${outlet.id}: syncd adopt --as clone`,
      },
    );
  } catch (error) {
    throw databaseError(error, url);
  } finally {
    await db.destroy();
  }
}

/** What else stands in the row: for the report of `syncd adopt`. */
type Standing = {
  stopped_code: string | null;
  stopped_reason: string | null;
  stopped_at: string | null;
  stopped_epoch: string | null;
  /** A daemon leads it and has given a sign of life just now. */
  works: boolean;
  /** Of the captured tables, not all are those that were installed: a restore has made them anew. */
  remade: boolean;
  /** The database's clock, in ms. */
  now_ms: number;
};

export type Outlet = Found & Standing;

type Row = Omit<Outlet, 'place' | 'home' | 'original_beside'> &
  Place & {
    home_outlet_id: string | null;
    home_system: string;
    home_database: string;
    home_queue: string;
    home_timeline: number;
    home_server_started_at: string;
    databases: string[];
  };

/** @throws SyncError `configuration` where no outlet is installed */
export async function readOutlet(db: Db, memory: Memory): Promise<Outlet> {
  const { rows } = await sql<Row>`
    SELECT o.outlet_id, o.install_id, o.epoch, o.settled_id, o.adopted_from, o.home_outlet_id, o.home_system,
           o.home_database::text AS home_database, o.home_queue::text AS home_queue, o.home_timeline,
           o.home_server_started_at::text AS home_server_started_at, o.stopped_code, o.stopped_reason,
           to_char(o.stopped_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS stopped_at, o.stopped_epoch,
           (SELECT extract(epoch FROM max(heartbeat_at))::float8 * 1000 FROM syncd.daemon) AS alive_ms,
           EXISTS (SELECT FROM syncd.capture c
                   WHERE (c.recorded ->> 'oid')::oid IS DISTINCT FROM (${sql.raw(TABLE_NAMED)})) AS remade,
           EXISTS (SELECT FROM syncd.daemon WHERE role = 'leader' AND stopped_at IS NULL
                     AND heartbeat_at > clock_timestamp() - interval '15 s') AS works,
           extract(epoch FROM clock_timestamp())::float8 * 1000 AS now_ms,
           ARRAY(SELECT oid::text FROM pg_database WHERE datname <> current_database()) AS databases, ${placeColumns}
    FROM syncd.outlet_config o`.execute(db);
  const [row] = rows;
  if (!row) {
    throw new SyncError('configuration', 'the database belongs to no outlet yet', { hint: `Run: ${INSTALL}` });
  }
  const { system, database, queue, timeline, server_started_at, databases, ...rest } = row;
  const { home_outlet_id, home_system, home_database, home_queue, home_timeline, home_server_started_at, ...outlet } =
    rest;
  const home =
    home_outlet_id === null
      ? null
      : {
          outlet_id: home_outlet_id,
          system: home_system,
          database: home_database,
          queue: home_queue,
          timeline: home_timeline,
          server_started_at: home_server_started_at,
        };
  const before = typeof memory === 'object' ? memory : home;
  return {
    ...outlet,
    place: { system, database, queue, timeline, server_started_at },
    home,
    original_beside: before !== null && before.system === system && databases.includes(before.database),
  };
}

/** What is to be remembered of an outlet as it is now. */
export function remember({ outlet_id, install_id, epoch, settled_id, place, now_ms }: Outlet): Remembered {
  const { system, database, queue, timeline } = place;
  return { outlet_id, install_id, epoch, system, database, queue, timeline, settled_id, noted_ms: now_ms };
}
