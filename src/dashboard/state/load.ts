/**
 * What a screen asks the API for, as a part that draws it sees it: not there yet, there, or not to be had. Asked again when the
 * list it comes from has changed; until the new answer is there the old one stays, so that nothing jumps.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Trouble, troubleOf } from '../api/client.js';
import type { Page } from '../api/types.js';
import { live } from './live.js';
import { useStore } from './store.js';
import { later } from './timers.js';

export type Loaded<T> = {
  value: T | undefined;
  trouble: Trouble | undefined;
  /** What is shown is not what was asked for last. */
  busy: boolean;
  again: () => void;
};

/** A list that changes all the time is asked for no more often than this. */
const PAUSE_MS = 1_500;

type State<T> = { key: string; family: string; value: T | undefined; trouble: Trouble | undefined };

/**
 * @param key names what is asked for: with another one the old answer goes
 * @param turn counts the changes of what it comes from
 * @param family with another key of the same one the old answer stays until the new one is there
 */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, key: string, turn = 0, family = key): Loaded<T> {
  const [state, setState] = useState<State<T>>({ key: '', family, value: undefined, trouble: undefined });
  const [asked, setAsked] = useState(0);
  const lastAt = useRef({ key: '', at: 0 });
  useEffect(() => {
    const ending = new AbortController();
    const ask = async () => {
      lastAt.current = { key, at: Date.now() };
      try {
        const value = await load(ending.signal);
        if (!ending.signal.aborted) setState({ key, family, value, trouble: undefined });
      } catch (error) {
        if (ending.signal.aborted) return;
        const trouble = troubleOf(error);
        // The bar above tells that nobody answers; what is shown stays.
        setState((old) => ({
          key,
          family,
          value: trouble.kind === 'lost' && old.key === key ? old.value : undefined,
          trouble,
        }));
      }
    };
    const { key: lastKey, at } = lastAt.current;
    const callOff = lastKey === key ? later(Math.max(0, at + PAUSE_MS - Date.now()), ask) : void ask();
    return () => {
      callOff?.();
      ending.abort();
    };
  }, [key, turn, asked]);
  const again = () => {
    lastAt.current = { key: '', at: 0 };
    setAsked((n) => n + 1);
  };
  const back = useStore(live, (now) => now.backTurn);
  useEffect(() => {
    if (state.trouble) again();
  }, [back]);
  const current = state.family === family;
  return {
    value: current ? state.value : undefined,
    trouble: current ? state.trouble : undefined,
    busy: state.key !== key,
    again,
  };
}

export type Paged<T> = Loaded<Page<T>> & {
  /** From 1. */
  number: number;
  next: (() => void) | undefined;
  previous: (() => void) | undefined;
};

/** A list in pages; one page is shown at a time, so a million rows cost no more than fifty. */
export function usePages<T>(
  load: (cursor: string, signal: AbortSignal) => Promise<Page<T>>,
  key: string,
  turn: number,
): Paged<T> {
  const [way, setWay] = useState<{ key: string; cursors: string[] }>({ key, cursors: [''] });
  const cursors = way.key === key ? way.cursors : [''];
  const cursor = cursors.at(-1) ?? '';
  const loaded = useLoad((signal) => load(cursor, signal), `${key} ${cursor}`, turn, key);
  const nextCursor = loaded.value?.next_cursor ?? null;
  return {
    ...loaded,
    number: cursors.length,
    next: nextCursor === null ? undefined : () => setWay({ key, cursors: [...cursors, nextCursor] }),
    previous: cursors.length < 2 ? undefined : () => setWay({ key, cursors: cursors.slice(0, -1) }),
  };
}

/** A query from what is set of it. */
export function query(parameters: Record<string, string | undefined>): string {
  const set = Object.entries(parameters).filter((entry): entry is [string, string] => !!entry[1]);
  return set.length === 0 ? '' : `?${new URLSearchParams(set)}`;
}
