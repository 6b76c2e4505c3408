/**
 * One chunk of a walk: one transaction that queues rows and stores how far it came, so that a crash repeats or loses nothing.
 *
 * An older image must never get its place behind a newer one. No row is locked for that, so no sale ever waits: the rows are
 * queued as one snapshot saw them; then everybody is waited for who was writing to the table when our rows had their places, since
 * only they can own an earlier place that we did not see; then each row is looked at again, and what is not as it was queued is
 * taken back. Who writes later gets a later place. Whoever writes for longer than our patience makes the chunk be tried again
 * later, for our open transaction would keep others from tidying up.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import type { WalkKind } from '../db/schema-walks.js';
import { codeOf } from '../errors.js';
import { writersHaveEnded } from '../queue/writers.js';
import { monotonicMs } from '../time.js';
import { noteChunk } from './book.js';
import { readDeparted } from './departed.js';
import { type GivenUp, markEmptied, queueGone, queueRows, takeBackOutdated } from './pages.js';
import { type Place, placeAfterwards, placeBehind } from './place.js';
import { excludesAsInstalled, orderOf, type WalkedTable } from './table.js';

export type Chunk = {
  id: string;
  kind: WalkKind;
  walked: WalkedTable;
  /** As stored. */
  position: string | null;
  place: Place;
  size: number;
  givenUp: GivenUp;
  leader_epoch: string;
  patienceMs: number;
};

export type ChunkResult =
  /** `position` as it is stored now; null: the walk is finished. */
  | { kind: 'done'; queued: number; position: string | null }
  /** Nothing was done: somebody writes to the table without a pause, or has locked it. */
  | { kind: 'busy' }
  /** Nothing was done: a column that stays at home has another name. */
  | { kind: 'altered' }
  /** Nothing was done: somebody else has gone on with it, or leads. */
  | { kind: 'overtaken' };

class Undone extends Error {
  readonly result: ChunkResult;
  constructor(result: ChunkResult) {
    super(result.kind);
    this.result = result;
  }
}

/** Who asks for a lock that our reading stands in the way of makes the sales behind it wait: we do not stand there for long. */
const LOCK_TIMEOUT_MS = 500;
const LOCK_NOT_AVAILABLE = '55P03';
/** The class of values that a type cannot read. */
const DATA = '22';

/**
 * @param doubted agreements may have names from under an older key; asked again so where one of them could not be read
 * @throws what Postgres says
 */
export async function walkChunk(db: Db, chunk: Chunk, doubted = false): Promise<ChunkResult> {
  try {
    return await db
      .transaction()
      .setIsolationLevel('read committed')
      .execute((trx) => attempt(trx, chunk, doubted));
  } catch (error) {
    if (error instanceof Undone) return error.result;
    if (codeOf(error) === LOCK_NOT_AVAILABLE) return { kind: 'busy' };
    if (!doubted && 'gone' in chunk.place && codeOf(error)?.startsWith(DATA)) return walkChunk(db, chunk, true);
    throw error;
  }
}

async function attempt(trx: Db, chunk: Chunk, doubted: boolean): Promise<ChunkResult> {
  const { walked, place, kind } = chunk;
  // The one setting of the capture triggers that our connections do not have anyway, our own patience, and every row by its index:
  // with statistics from before the queue and the states grew, a page of 500 rows took half a minute.
  await sql`
    SELECT set_config('lc_monetary', 'C', true), set_config('lock_timeout', ${`${LOCK_TIMEOUT_MS}ms`}, true),
           set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)`.execute(trx);
  const atGone = 'gone' in place;
  if (atGone && place.after === undefined && kind === 'reconcile' && (await markEmptied(trx, walked))) {
    await note(trx, chunk, null, 0, 0);
    return { kind: 'done', queued: 0, position: null };
  }
  const page = atGone
    ? await queueGone(trx, walked, place.after, chunk.size, doubted)
    : await queueRows(trx, walked, { ...chunk, part: place.part, after: place.after });
  if (!(await excludesAsInstalled(trx, walked))) throw new Undone({ kind: 'altered' });
  // A part that left before our statement saw the table, and after its bounds were read: the next attempt knows them.
  if (atGone && (await readDeparted(trx, walked.entity)).length !== walked.departed.length)
    throw new Undone({ kind: 'busy' });
  let queued = page.ids.length;
  if (queued > 0) {
    if (!(await writersHaveEnded(trx, walked.table, monotonicMs() + chunk.patienceMs)))
      throw new Undone({ kind: 'busy' });
    queued -= await takeBackOutdated(trx, walked, page.ids, atGone ? { doubted } : place);
    if (queued > 0) await sql`SELECT syncd.wake()`.execute(trx);
  }
  const next = page.more ? placeBehind(place, page.last, orderOf(walked)) : placeAfterwards(place, kind, walked.parts);
  const position = next === undefined ? null : JSON.stringify(next);
  await note(trx, chunk, position, page.walked, queued);
  return { kind: 'done', queued, position };
}

async function note(trx: Db, chunk: Chunk, position: string | null, walked: number, queued: number): Promise<void> {
  const gone = 'gone' in chunk.place;
  const counts = gone ? { walked: 0, queued: 0, deleted: queued } : { walked, queued, deleted: 0 };
  const noted = await noteChunk(trx, { ...chunk, counts, next: position });
  if (!noted) throw new Undone({ kind: 'overtaken' });
}
