/**
 * Somebody asked for a sync now: what has to have happened until that is answered. Pure. Everything that may be sent is sent;
 * then a pull that began after the question has come to its end; then a look at the inbox that began after that pull finds nothing
 * left to apply. Whatever cannot be done answers at once, with the reason.
 */
import { count } from './status/words.js';

/** What has become of incoming changes, counted since the start. */
export type IncomingTotals = { applied: number; parked: number; conflicts: number };

/** How far the parts had come at the question: passes, calls and looks begun. `call`: undefined where nothing is pulled. */
export type Marks = { pass: number; call: number | undefined; totals: IncomingTotals };

export type NowAnswer = { outcome: string; error: null } | { outcome: null; error: string };

const SENT = 'everything that may be sent is in the cloud';

export class NowRequest {
  readonly #marks: Marks;
  #error: string | undefined;
  #pushed = false;
  /** The look at the inbox after which one has to begin; undefined until the pull has ended. */
  #look: number | undefined;
  #totals: IncomingTotals | undefined;

  constructor(marks: Marks) {
    this.#marks = marks;
  }

  /** Everything that could be sent was answered, as the pass of this number saw the queue. */
  noteQuiet(pass: number): void {
    if (pass > this.#marks.pass) this.#pushed = true;
  }

  notePushFailed(reason: string): void {
    this.#error ??= reason;
  }

  /** The call of this number found no more. @param looks at the inbox begun by then */
  notePulled(call: number, looks: number): void {
    if (this.#marks.call !== undefined && call > this.#marks.call) this.#look ??= looks;
  }

  notePullFailed(call: number, reason: string): void {
    if (this.#marks.call !== undefined && call > this.#marks.call)
      this.#error ??= `nothing could be fetched from the cloud: ${reason}`;
  }

  /** The look of this number found nothing to apply. */
  noteApplied(look: number, totals: IncomingTotals): void {
    if (this.#look !== undefined && look > this.#look) this.#totals ??= totals;
  }

  /** Undefined as long as something is under way. */
  get answer(): NowAnswer | undefined {
    if (this.#error !== undefined) return { outcome: null, error: this.#error };
    if (!this.#pushed) return undefined;
    if (this.#marks.call === undefined) return { outcome: SENT, error: null };
    return this.#totals && { outcome: `${SENT}; ${told(this.#marks.totals, this.#totals)}`, error: null };
  }
}

function told(before: IncomingTotals, after: IncomingTotals): string {
  const [applied, parked, conflicts] = [
    after.applied - before.applied,
    after.parked - before.parked,
    after.conflicts - before.conflicts,
  ];
  if (applied + parked + conflicts === 0) return 'nothing new came from it';
  const parts = [`${count(applied, 'change')} of it ${applied === 1 ? 'was' : 'were'} applied`];
  if (conflicts > 0) parts.push(`${count(conflicts, 'conflict')} came up`);
  if (parked > 0) parts.push(`${count(parked, 'change')} could not be applied: syncd inbox`);
  return parts.join(', ');
}
