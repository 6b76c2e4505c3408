/**
 * The last events that are known to be stored: a repetition of one of them need not ask the database. A mere shortcut, whose
 * whole content may be lost; the database knows them all.
 */

const MOST = 4_096;

export class RecentEvents {
  readonly #ids = new Set<string>();

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    if (this.#ids.size >= MOST) {
      const [oldest] = this.#ids;
      if (oldest !== undefined) this.#ids.delete(oldest);
    }
    this.#ids.add(id);
  }

  clear(): void {
    this.#ids.clear();
  }
}
