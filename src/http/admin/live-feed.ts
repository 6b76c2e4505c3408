/**
 * What changes, told to everybody who looks, as it happens. One look at the database serves all viewers, and nobody looks
 * while nobody watches. A viewer that falls behind is told the newest and not what lay between; one too many is sent away.
 * Nothing here is kept: who comes back asks for the whole again.
 */
import type { Settings } from '../../config/settings.js';
import type { Reach } from '../../db/reach.js';
import { SyncError } from '../../errors.js';
import { statusOf } from '../../ops/status/report.js';
import { type StatusReport, unknownReport } from '../../ops/status/verdict.js';
import { conflictMark } from '../../queue/conflicts.js';
import { type LogItem, lastLogId, listLogs } from '../../queue/read.js';
import { Flag, monotonicMs } from '../../time.js';

/** `queue` and `conflict` carry nothing: a list that shows them is to be asked for again. */
export type LiveEvent =
  | { event: 'status'; data: StatusReport }
  | { event: 'queue'; data: Record<string, never> }
  | { event: 'conflict'; data: Record<string, never> }
  | { event: 'log'; data: { items: LogItem[]; more: boolean } };

const LOOK_MS = 1_000;
/** A look takes 60 ms with a million changes waiting; the next one is then put off, so that viewers cost a twentieth at most. */
const SHARE = 20;
const MOST_LOG_ROWS = 100;
export const MOST_VIEWERS = 24;

type Viewer = { news: Map<string, LiveEvent>; flag: Flag };

type Seen = { status: string; queue: string; conflicts: string; logId: string | undefined };

export class LiveFeed {
  readonly #look: Reach;
  readonly #settings: Settings;
  readonly #viewers = new Set<Viewer>();
  readonly #deserted = new Flag();
  #watching = false;
  #latest: LiveEvent | undefined;

  constructor(look: Reach, settings: Settings) {
    this.#look = look;
    this.#settings = settings;
  }

  get full(): boolean {
    return this.#viewers.size >= MOST_VIEWERS;
  }

  /** Tells every event until `signal` aborts or `tell` says that nobody listens any more; null: nothing happened for `quietMs`. */
  async follow(tell: (event: LiveEvent | null) => Promise<boolean>, quietMs: number, signal: AbortSignal) {
    const viewer: Viewer = { news: new Map(), flag: new Flag() };
    if (this.#latest) viewer.news.set('status', this.#latest);
    this.#viewers.add(viewer);
    if (!this.#watching) void this.#watch();
    try {
      while (!signal.aborted) {
        viewer.flag.lower();
        const news = [...viewer.news.values()];
        viewer.news.clear();
        for (const event of news.length > 0 ? news : [null]) if (!(await tell(event))) return;
        if (viewer.news.size === 0) await viewer.flag.wait(quietMs, signal);
      }
    } finally {
      this.#viewers.delete(viewer);
      if (this.#viewers.size === 0) this.#deserted.raise();
    }
  }

  async #watch(): Promise<void> {
    this.#watching = true;
    const seen: Seen = { status: '', queue: '', conflicts: '', logId: undefined };
    while (this.#viewers.size > 0) {
      this.#deserted.lower();
      const startedAt = monotonicMs();
      for (const event of await this.#changes(seen)) this.#tell(event);
      await this.#deserted.wait(Math.max(LOOK_MS, (monotonicMs() - startedAt) * SHARE));
    }
    this.#watching = false;
    this.#latest = undefined;
  }

  #tell(event: LiveEvent): void {
    if (event.event === 'status') this.#latest = event;
    for (const { news, flag } of this.#viewers) {
      const before = news.get(event.event);
      // Rows that were not read yet would be lost: the viewer is to ask for the list.
      const missed = event.event === 'log' && before !== undefined;
      news.set(event.event, missed ? { event: 'log', data: { items: [], more: true } } : event);
      flag.raise();
    }
  }

  async #changes(seen: Seen): Promise<LiveEvent[]> {
    try {
      return await this.#look.use(async (db) => {
        const { report } = await statusOf(db, this.#settings);
        const events = statusEvents(report, seen);
        const conflicts = await conflictMark(db);
        if (seen.conflicts !== '' && conflicts !== seen.conflicts) events.push({ event: 'conflict', data: {} });
        seen.conflicts = conflicts;
        if (seen.logId === undefined) seen.logId = await lastLogId(db);
        else {
          const rows = await listLogs(db, { afterId: seen.logId, limit: MOST_LOG_ROWS + 1 });
          const items = rows.slice(0, MOST_LOG_ROWS);
          if (items.length > 0) events.push({ event: 'log', data: { items, more: rows.length > items.length } });
          seen.logId = rows.length > items.length ? await lastLogId(db) : (items.at(-1)?.id ?? seen.logId);
        }
        return events;
      });
    } catch (error) {
      // A database that is away is news of its own kind; the watch goes on and finds it again.
      return statusEvents(
        unknownReport(error instanceof SyncError ? error.message : 'the database was not read'),
        seen,
      );
    }
  }
}

function statusEvents(report: StatusReport, seen: Seen): LiveEvent[] {
  const { at: _, ...lasting } = report;
  const status = JSON.stringify(lasting);
  if (status === seen.status) return [];
  seen.status = status;
  const { pending, failed, conflicts, held, oldest_pending_at, today } = report;
  const queue = JSON.stringify([pending, failed, conflicts, held, oldest_pending_at, today]);
  const moved = seen.queue !== '' && queue !== seen.queue;
  seen.queue = queue;
  return [{ event: 'status', data: report }, ...(moved ? [{ event: 'queue', data: {} } as const] : [])];
}
