/**
 * What is going on, as the stream of events tells it: the latest status, whether somebody tells it at all, and a count for each
 * list of how often it has changed, so that whoever shows the list asks for it again.
 */
import { listen } from '../api/events.js';
import type { LogItem, StatusReport } from '../api/types.js';
import { Store } from './store.js';

export type Live = {
  link: 'connecting' | 'live' | 'lost';
  /** Since when nobody answers, epoch ms. */
  lostAt: number | undefined;
  status: StatusReport | undefined;
  /** The database's clock less the browser's, in ms. */
  clockMs: number;
  /** When the status was told, epoch ms by the browser's clock. */
  toldAt: number;
  queueTurn: number;
  conflictTurn: number;
  logTurn: number;
  /** How often the till, or its database, has answered again: what could not be had meanwhile is asked for anew. */
  backTurn: number;
};

const NOTHING: Live = {
  link: 'connecting',
  lostAt: undefined,
  status: undefined,
  clockMs: 0,
  toldAt: 0,
  queueTurn: 0,
  conflictTurn: 0,
  logTurn: 0,
  backTurn: 0,
};

export const live = new Store<Live>(NOTHING);

type Tail = { items: LogItem[]; more: boolean };
const tails = new Set<(tail: Tail) => void>();

/** Told of every exchange as it happens. @returns what ends it */
export function followLog(told: (tail: Tail) => void): () => void {
  tails.add(told);
  return () => void tails.delete(told);
}

/** The database's clock now, epoch ms. */
export function serverNow(): number {
  return Date.now() + live.value.clockMs;
}

/** @returns what ends it */
export function goLive(): () => void {
  const ending = new AbortController();
  live.set(NOTHING);
  void listen(
    {
      onOpen: () => {
        const { queueTurn, conflictTurn, logTurn, backTurn } = live.value;
        // What changed while nobody told is not known: every list is old.
        live.patch({
          link: 'live',
          lostAt: undefined,
          queueTurn: queueTurn + 1,
          conflictTurn: conflictTurn + 1,
          logTurn: logTurn + 1,
          backTurn: backTurn + 1,
        });
      },
      onLost: () => live.patch({ link: 'lost', lostAt: live.value.lostAt ?? Date.now() }),
      onEvent: ({ event, data }) => take(event, data),
    },
    ending.signal,
  );
  return () => ending.abort();
}

function take(event: string, data: string): void {
  switch (event) {
    case 'status':
      takeStatus(JSON.parse(data));
      break;
    case 'queue':
      live.patch({ queueTurn: live.value.queueTurn + 1 });
      break;
    case 'conflict':
      live.patch({ conflictTurn: live.value.conflictTurn + 1 });
      break;
    case 'log': {
      const tail: Tail = JSON.parse(data);
      if (tail.more) live.patch({ logTurn: live.value.logTurn + 1 });
      else for (const told of tails) told(tail);
      break;
    }
  }
}

function takeStatus(status: StatusReport): void {
  const clockMs = status.at === null ? live.value.clockMs : Date.parse(status.at) - Date.now();
  const isBack = live.value.status?.state === 'unknown' && status.state !== 'unknown';
  const backTurn = live.value.backTurn + (isBack ? 1 : 0);
  live.patch({ status, clockMs, toldAt: Date.now(), backTurn });
}
