/** What an examination finds, and how a check says it. Pure. */

export type FindingState = 'ok' | 'warn' | 'fail' | 'skipped';

/** One line of the examination. `why` and `what_to_type` are null where all is well. */
export type Finding = {
  /** The check's name: "database", "capture". */
  name: string;
  state: FindingState;
  finding: string;
  /** Why it matters to the shop. */
  why: string | null;
  what_to_type: string | null;
};

export type Unnamed = Omit<Finding, 'name'>;

export const ok = (finding: string): Unnamed => ({ state: 'ok', finding, why: null, what_to_type: null });
export const warn = (finding: string, why: string, what_to_type: string | null = null): Unnamed => ({
  state: 'warn',
  finding,
  why,
  what_to_type,
});
export const fail = (finding: string, why: string, what_to_type: string | null = null): Unnamed => ({
  state: 'fail',
  finding,
  why,
  what_to_type,
});
export const skipped = (finding: string): Unnamed => ({ state: 'skipped', finding, why: null, what_to_type: null });
