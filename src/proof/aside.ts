/**
 * Reads a whole table of the POS without standing in anybody's way. A read keeps no sale waiting, but an ALTER waits until it has
 * ended, and every sale behind the ALTER. So a second connection looks, while the first one reads, whether anybody waits for it:
 * then the read is broken off, and tried again later. What it has read is lost, nothing else.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { codeOf } from '../errors.js';
import { sleep } from '../time.js';

export type Reader = {
  /** With time for whole tables. */
  db: Db;
  /** Looks meanwhile; of the same role. */
  beside: Db;
};

/** Somebody has asked for the table each time that it was read. */
export class InTheWay extends Error {
  constructor() {
    super('somebody else needed the table for himself each time that it was read');
  }
}

const LOOK_MS = 100;
const TRIES = 5;
const REST_MS = 250;
const CANCELLED = '57014';

/** @throws InTheWay, what Postgres says */
export async function readAside<T>({ db, beside }: Reader, read: (db: Db) => Promise<T>): Promise<T> {
  for (let tried = 1; tried <= TRIES; tried++) {
    const done = await db.connection().execute((one) => unlessWaitedFor(one, beside, read));
    if (done !== undefined) return done.value;
    await sleep(REST_MS * 2 ** tried);
  }
  throw new InTheWay();
}

/** @returns undefined where somebody waited for it */
async function unlessWaitedFor<T>(
  one: Db,
  beside: Db,
  read: (db: Db) => Promise<T>,
): Promise<{ value: T } | undefined> {
  const { rows } = await sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`.execute(one);
  const reading = new AbortController();
  const watching = breakOff(beside, rows[0]?.pid ?? 0, reading.signal);
  try {
    return { value: await read(one) };
  } catch (error) {
    reading.abort();
    if ((await watching) && codeOf(error) === CANCELLED) return undefined;
    throw error;
  } finally {
    reading.abort();
    await watching;
  }
}

/** Until the reading has ended. @returns whether it was broken off */
async function breakOff(beside: Db, pid: number, reading: AbortSignal): Promise<boolean> {
  for (;;) {
    await sleep(LOOK_MS, reading);
    if (reading.aborted) return false;
    // A look that fails leaves the reading as it is; the next one is made all the same.
    const broken = await sql`
      SELECT pg_cancel_backend(${pid}) FROM (
        SELECT FROM pg_locks l WHERE NOT l.granted AND ${pid}::int = ANY (pg_blocking_pids(l.pid)) LIMIT 1) AS waiting`
      .execute(beside)
      .then(({ rows }) => rows.length > 0)
      .catch(() => false);
    if (broken) return true;
  }
}
