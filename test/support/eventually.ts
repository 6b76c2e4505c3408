/** Waits for a condition with a deadline; the last value is part of the complaint. */
export async function eventually<T>(
  look: () => Promise<T> | T,
  done: (value: T) => boolean,
  what: string,
  ms = 20_000,
): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    const value = await look();
    if (done(value)) return value;
    if (performance.now() > deadline)
      throw new Error(`${what}: not within ${ms} ms; last seen ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
