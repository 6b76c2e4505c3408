/**
 * How the daemon does by its own knowledge, for `/ready` and whoever watches it: whether it works on the database, and whether
 * its loops go round. Asks nobody, so that a flood of questions costs the shop's database nothing.
 */
import type { Health } from '../../service.js';
import { monotonicMs } from '../../time.js';

export type Readiness = { ready: boolean; database: boolean; loops: Record<string, boolean> };

type Part = { health: () => Health; silentMs: number };

/** A part that has stood still for twice what it may take, and for this long, does not go on by itself any more. */
const STUCK_MS = 180_000;

export class Vitals {
  readonly #parts = new Map<string, Part>();
  #lookedAt: number;
  #away: string | undefined;

  constructor(nowMs = monotonicMs()) {
    this.#lookedAt = nowMs;
  }

  /**
   * Watches a part that lives on the database until the returned function is called.
   * @param silentMs how long the part may be busy with one round
   */
  watch(name: string, silentMs: number, health: () => Health): () => void {
    const part = { health, silentMs };
    this.#parts.set(name, part);
    return () => {
      if (this.#parts.get(name) === part) this.#parts.delete(name);
    };
  }

  /** No parts: there is no session with the database. A part that asks the database every other second is proof of it. */
  readiness(nowMs: number): Readiness {
    const loops = Object.fromEntries(
      [...this.#parts].map(([name, { health, silentMs }]) => {
        const { ok, progressAt } = health();
        return [name, ok && nowMs - progressAt <= silentMs];
      }),
    );
    const database = loops[DATABASE] === true;
    return { ready: database && Object.values(loops).every((goes) => goes), database, loops };
  }

  /** There is no session, and somebody is busy about one. @param reason why there is none, once a try was in vain */
  noteSearch(reason: string | undefined, nowMs = monotonicMs()): void {
    this.#lookedAt = nowMs;
    this.#away = reason ?? this.#away;
  }

  /** Why the database cannot be worked on; undefined while it can, and before the first try. */
  get away(): string | undefined {
    return this.#parts.size > 0 ? undefined : this.#away;
  }

  /** What does not go round any more, for longer than anything that heals by itself: only a new start helps. */
  stuck(nowMs: number): string[] {
    if (this.#parts.size === 0) return nowMs - this.#lookedAt > STUCK_MS ? ['the search for the database'] : [];
    return [...this.#parts]
      .filter(([, { health, silentMs }]) => nowMs - health().progressAt > Math.max(2 * silentMs, STUCK_MS))
      .map(([name]) => name);
  }
}

/** The part whose rounds are looks at the database. */
export const DATABASE = 'supervision';
