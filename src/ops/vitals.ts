/**
 * How the daemon does by its own knowledge, for `/ready` and whoever watches it: whether it works on the database, and whether
 * its loops go round. Asks nobody, so that a flood of questions costs the shop's database nothing.
 */
import type { Health } from '../service.js';

export type Readiness = { ready: boolean; database: boolean; loops: Record<string, boolean> };

type Part = { health: () => Health; silentMs: number };

export class Vitals {
  readonly #parts = new Map<string, Part>();

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
}

/** The part whose rounds are looks at the database. */
export const DATABASE = 'supervision';
