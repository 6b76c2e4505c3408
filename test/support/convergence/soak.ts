/**
 * How long and how often the fault tests try. `SYNCD_SOAK=1` makes the loops as long as a night wants them and lets them tell
 * their figures; `SYNCD_SEED=n` repeats a run that failed.
 */

/** Tells a figure; undefined in an ordinary run, which is short and silent. */
export const SOAK: ((figure: string) => void) | undefined =
  process.env.SYNCD_SOAK === '1' ? (figure) => void process.stderr.write(`${figure}\n`) : undefined;

/** Runs with a seed; a failure names it. */
export async function seeded(run: (seed: number) => Promise<void>): Promise<void> {
  const seed = Number(process.env.SYNCD_SEED ?? Math.floor(Math.random() * 2 ** 31));
  try {
    await run(seed);
  } catch (error) {
    process.stderr.write(`repeat it with SYNCD_SEED=${seed}\n`);
    throw error;
  }
}
