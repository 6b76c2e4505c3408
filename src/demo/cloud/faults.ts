/**
 * The switchboard of faults: which are set, whom they hit, how often still. It only chooses; what a fault does is done where the
 * request is read, decided and answered. Faults are forgotten when the cloud restarts.
 */
import type { PushedChange } from './records.js';

/** Instants are relative, lengths in bytes, durations in ms. Where nothing is said of it, a fault commits nothing. */
export type Fault =
  /** RST once so much of the body has arrived (default: at once). */
  | { kind: 'reset'; afterBytes?: number }
  /** Takes the request and never answers. */
  | { kind: 'silence' }
  /** Applies the push, then the connection is cut, closed or left without an answer. */
  | { kind: 'lost-ack'; how?: 'reset' | 'close' | 'silence' }
  /** Applies the push and answers so much later. */
  | { kind: 'latency'; ms: number }
  /** The line carries so much, both ways. */
  | { kind: 'bandwidth'; bytesPerSecond: number }
  /** Applies the push; the answer's body trickles. */
  | { kind: 'slow-body'; bytesPerSecond: number }
  /** Applies the push; the answer ends early: cut off within its announced length, or (`tidy`) complete HTTP around half a text. */
  | { kind: 'truncated'; keep?: number; tidy?: boolean }
  | { kind: 'status'; status: number; code?: string; message?: string; retryAfter?: RetryAfter; commit?: boolean }
  /** A hotel's log-in page, with status 200. */
  | { kind: 'captive-portal' }
  | { kind: 'redirect'; location?: string; status?: number }
  /** Any other answer, wrong JSON say. */
  | { kind: 'body'; body: string; status?: number; contentType?: string; commit?: boolean }
  /** Applies the push, then spoils the results of the matching changes. `version` (default 1) is for `lower-version`. */
  | { kind: 'results'; how: 'missing' | 'doubled' | 'unknown' | 'extra' | 'lower-version'; version?: number }
  /** 413 above these. */
  | { kind: 'limit'; bytes?: number; changes?: number }
  /** These three answer the matching changes so; the rest of the batch goes by the rules. */
  | { kind: 'reject'; retryable: boolean; code?: string; message?: string }
  | { kind: 'hold'; waitingFor?: { entity_type: string; entity_id: string } }
  | { kind: 'conflict' }
  /** Spoils a page of changes. `version` (default 1) is for `lower-version`, `bytes` (default 10 MB) for `huge`. */
  | { kind: 'page'; how: PageFault; version?: number; bytes?: number }
  /** The cloud calls itself another history, as after a restore. */
  | { kind: 'epoch'; cloud_epoch: string }
  /** The cloud's clock is off by so much, in `Date` and `server_time`. */
  | { kind: 'clock'; offsetMs: number };

type PageFault = 'still-cursor' | 'more-for-ever' | 'doubled' | 'reversed' | 'lower-version' | 'huge';

const KINDS: Record<Fault['kind'], true> = {
  reset: true,
  silence: true,
  'lost-ack': true,
  latency: true,
  bandwidth: true,
  'slow-body': true,
  truncated: true,
  status: true,
  'captive-portal': true,
  redirect: true,
  body: true,
  results: true,
  limit: true,
  reject: true,
  hold: true,
  conflict: true,
  page: true,
  epoch: true,
  clock: true,
};

export function isFaultKind(kind: unknown): kind is Fault['kind'] {
  return typeof kind === 'string' && Object.hasOwn(KINDS, kind);
}

export type RetryAfter = { seconds: number; as?: 'seconds' | 'date' };

/** A request matches when its own fields match and, where a field of a change is named, any of its changes does. */
export type Match = {
  method?: string;
  /** Below the base: `/sync/push`. */
  path?: string;
  outlet_id?: string;
} & Partial<Pick<PushedChange, (typeof CHANGE_FIELDS)[number]>>;

const CHANGE_FIELDS = ['change_id', 'seq', 'tx', 'entity_type', 'entity_id', 'operation'] as const;

/** A change as far as a fault can name it; what comes from head office has no change_id. */
type Named = Partial<Pick<PushedChange, (typeof CHANGE_FIELDS)[number]>>;

/** `times`: for so many matching requests, else until cleared. `chance`: hits only this share of them (0 to 1). */
export type FaultRule = Fault & { times?: number; chance?: number; match?: Match };

export type ActiveFault = { id: string; hits: number; rule: FaultRule };

export type Head = { method: string; path: string; outlet_id: string | null };

export class Faults {
  readonly #active = new Map<string, ActiveFault>();
  readonly #random: () => number;
  #last = 0;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  /** Sets a fault; returns the id to clear it by. */
  add(rule: FaultRule): string {
    const id = `f${++this.#last}`;
    this.#active.set(id, { id, hits: 0, rule });
    return id;
  }

  /** Clears one fault, or all. Requests that it has already hit keep it. */
  clear(id?: string): void {
    if (id === undefined) this.#active.clear();
    else this.#active.delete(id);
  }

  list(): ActiveFault[] {
    return [...this.#active.values()];
  }

  /** Faults for a request whose body is not read yet: those that ask for nothing in it. */
  takeForHead(head: Head): FaultRule[] {
    return this.#take((match) => !namesChange(match) && headMatches(match, head));
  }

  /** The faults that name something in a change of this push or page. */
  takeForChanges(head: Head, changes: readonly Named[]): FaultRule[] {
    return this.#take(
      (match) =>
        namesChange(match) && headMatches(match, head) && changes.some((change) => changeMatches(match, change)),
    );
  }

  #take(hits: (match: Match) => boolean): FaultRule[] {
    const taken: FaultRule[] = [];
    for (const active of [...this.#active.values()]) {
      const { rule } = active;
      if (!hits(rule.match ?? {})) continue;
      if (rule.chance !== undefined && this.#random() >= rule.chance) continue;
      active.hits++;
      if (rule.times !== undefined && active.hits >= rule.times) this.#active.delete(active.id);
      taken.push(rule);
    }
    return taken;
  }
}

function namesChange(match: Match): boolean {
  return CHANGE_FIELDS.some((field) => match[field] !== undefined);
}

function headMatches(match: Match, head: Head): boolean {
  return (
    (match.method ?? head.method) === head.method &&
    (match.path ?? head.path) === head.path &&
    (match.outlet_id ?? head.outlet_id) === head.outlet_id
  );
}

/** Whether a change is meant by a fault that hit its request. */
export function changeMatches(match: Match, change: Named): boolean {
  return CHANGE_FIELDS.every((field) => match[field] === undefined || match[field] === change[field]);
}

/** mulberry32: small, and the same sequence from the same seed everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
