/**
 * Watches the disk that PostgreSQL writes to. Below the floor capture steps aside, so that the queue does not take the room that the
 * till's own sales need; with room again it goes on, and the tables are compared. Every ten minutes' figures are kept for a week
 * and a day, from which the days left are reckoned. A disk that cannot be looked at from here is told, and changes nothing.
 */
import { statfs } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { sql } from 'kysely';
import { resumeCapture, suspendCapture } from '../capture/suspend.js';
import type { Settings } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { codeOf, wordsOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Chore } from './chores.js';
import { bytes, DISK_AUTHOR, type DiskReading, daysLeft, onDisk } from './disk-forecast.js';

export type DiskSettings = NonNullable<Settings['disk']>;

const LOOK_MS = 15_000;
const UNWATCHED_MS = 3_600_000;
const KEPT = '8 days';

/** @param settings undefined: nobody watches the disk any more, and what was suspended for its sake captures again */
export function diskChore(db: Db, settings: DiskSettings | undefined, log: Log): Chore {
  const trouble = 'disk';
  if (settings === undefined) return { name: 'disk', everyMs: UNWATCHED_MS, run: () => resume(db, {}, log) };
  return {
    name: 'disk',
    everyMs: LOOK_MS,
    run: async () => {
      const looked = await look(db, settings.path);
      if ('problem' in looked) {
        log.warn(`the disk cannot be watched: ${looked.problem}`, { trouble, path: settings.path });
        await note(db, settings.path, { problem: looked.problem });
        return false;
      }
      const { free, total } = looked;
      // First what counts: a figure that cannot be written down must not keep capture from stepping aside.
      await act(db, free, settings, log);
      await note(db, settings.path, { free, total, floor: settings.floorBytes });
      return false;
    },
  };
}

async function act(db: Db, free: number, { path, floorBytes }: DiskSettings, log: Log): Promise<void> {
  const suspended = await db
    .selectFrom('syncd.capture')
    .select('entity_type')
    .where('suspended_by', '=', DISK_AUTHOR)
    .executeTakeFirst();
  const figures = { path, free_bytes: free, floor_bytes: floorBytes };
  switch (onDisk(free, floorBytes, suspended !== undefined)) {
    case 'nothing':
      return;
    case 'suspend': {
      const reason = `${path} had ${bytes(free)} left, less than disk.floor (${bytes(floorBytes)})`;
      const entities = await suspendCapture(db, [], DISK_AUTHOR, reason);
      if (entities.length > 0)
        log.error('capture is suspended: the disk is below its floor; sales go on, and are looked for later', {
          trouble: 'disk floor',
          entities: entities.join(', '),
          ...figures,
        });
      return;
    }
    case 'resume':
      await resume(db, figures, log);
      return;
  }
}

async function resume(db: Db, figures: Record<string, string | number>, log: Log): Promise<boolean> {
  const entities = await resumeCapture(db, [], DISK_AUTHOR, DISK_AUTHOR);
  if (entities.length > 0)
    log.info('capture goes on after the disk was full; the tables are compared', {
      recovered: 'disk floor',
      entities: entities.join(', '),
      ...figures,
    });
  return false;
}

type Looked = { free: number; total: number } | { problem: string };

async function look(db: Db, path: string): Promise<Looked> {
  const elsewhere = await otherMachine(db);
  if (elsewhere !== undefined)
    return { problem: `PostgreSQL runs on another machine (${elsewhere}), whose disk cannot be seen from here` };
  try {
    const { bavail, bsize, blocks } = await statfs(path);
    return { free: bavail * bsize, total: blocks * bsize };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { problem: `there is no ${path} here: is disk.path right?` };
    return { problem: wordsOf(error) };
  }
}

/** The server's address where it is none of this machine's. */
async function otherMachine(db: Db): Promise<string | undefined> {
  const { rows } = await sql<{ address: string | null }>`SELECT host(inet_server_addr()) AS address`.execute(db);
  const address = rows[0]?.address ?? null;
  if (address === null || address === '::1' || address.startsWith('127.')) return undefined;
  const own = Object.values(networkInterfaces()).flatMap((all) => all?.map((one) => one.address) ?? []);
  return own.includes(address) ? undefined : address;
}

type Figures = { free: number; total: number; floor: number } | { problem: string };

async function note(db: Db, path: string, figures: Figures): Promise<void> {
  const known = 'free' in figures ? figures : undefined;
  const { rows } = await sql<{ at: number; free: number; database: number }>`
    WITH now AS (
      SELECT to_timestamp(floor(extract(epoch FROM clock_timestamp()) / 600) * 600) AS at, pg_database_size(current_database()) AS size
    ), old AS (
      DELETE FROM syncd.disk_readings r USING now WHERE r.at < now.at - ${KEPT}::interval OR r.at > now.at
    ), noted AS (
      INSERT INTO syncd.disk_readings AS r (at, path, free_bytes, total_bytes, database_bytes, problem)
      SELECT now.at, ${path}, ${known?.free ?? null}::bigint, ${known?.total ?? null}::bigint, now.size,
             ${'problem' in figures ? figures.problem : null}
      FROM now
      ON CONFLICT (at) DO UPDATE
      SET path = excluded.path, free_bytes = excluded.free_bytes, total_bytes = excluded.total_bytes,
          database_bytes = excluded.database_bytes, problem = excluded.problem
      RETURNING r.at, r.free_bytes, r.database_bytes
    )
    SELECT extract(epoch FROM at)::float8 * 1000 AS at, free_bytes::float8 AS free, database_bytes::float8 AS database
    FROM (SELECT r.at, r.free_bytes, r.database_bytes FROM syncd.disk_readings r, now
          WHERE r.at < now.at AND r.at >= now.at - interval '24 hours' AND r.path = ${path}
          UNION ALL SELECT * FROM noted) AS day
    WHERE free_bytes IS NOT NULL ORDER BY at`.execute(db);
  if (!known) return;
  const readings: DiskReading[] = rows;
  await sql`
    UPDATE syncd.disk_readings SET days_left = ${daysLeft(readings, known.floor) ?? null}::float8
    WHERE at = (SELECT max(at) FROM syncd.disk_readings)`.execute(db);
}
