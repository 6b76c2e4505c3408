/** A value that parts of the page watch. */
import { useEffect, useState } from 'preact/hooks';

export class Store<T> {
  #value: T;
  readonly #watchers = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const watcher of [...this.#watchers]) watcher();
  }

  patch(part: Partial<T>): void {
    this.set({ ...this.#value, ...part });
  }

  /** @returns what ends it */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }
}

/** @param pick what of it a part shows; the part is drawn anew when that differs */
export function useStore<T, P = T>(store: Store<T>, pick: (value: T) => P = (value) => value as unknown as P): P {
  const picked = pick(store.value);
  const [, redraw] = useState<unknown>();
  useEffect(() => {
    let last = picked;
    const look = () => {
      const now = pick(store.value);
      if (Object.is(now, last)) return;
      last = now;
      redraw({});
    };
    look();
    return store.watch(look);
  }, [store]);
  return picked;
}
