/**
 * The brake on rows that go to and fro. What a trigger of the POS makes of a row that came in goes out as a change that nobody in
 * the shop made; where another outlet's trigger answers with one of its own, and ours to that, both lines are full of it (40 rounds a
 * second were measured), and an edit of the shop is as likely to meet one of them at the cloud as not. So after a few rounds in
 * which nothing but the triggers' columns changed, the next such change leaves later, each time twice as late.
 *
 * It is only left in the table as if it had not been read yet: its place in the queue stays, the next look sees it again with
 * whatever has come since, and a restart forgets the wait. So it can neither overtake nor be overtaken by an edit of its row. An
 * edit of the shop never waits for it: with one in sight of the same row, or of the same transaction, it goes at once, in front.
 */
import { createHash } from 'node:crypto';
import { roundDelayMs } from '../cloud/backoff.js';
import type { PendingChange } from './backlog.js';

/** What head office changes in the row waits for the change that is under way: no longer than where the cloud is asked now and then. */
export const LONGEST_WAIT_MS = 30_000;
/** A row that was quiet for so long begins anew. */
const CALM_MS = 300_000;
/** Rows that are kept in mind; beyond, all are forgotten. */
const MOST_ROWS = 50_000;
/** Larger rows are not looked into. */
const MOST_TEXT = 65_536;

type Round = { rounds: number; id: string; rest: string; seenMs: number; dueMs: number };

export class EchoBrake {
  readonly #nowMs: () => number;
  readonly #onSlowed: (change: PendingChange) => void;
  readonly #rows = new Map<string, Round>();

  /**
   * @param nowMs a monotonic clock
   * @param onSlowed told once of each change that is to wait
   */
  constructor(nowMs: () => number, onSlowed: (change: PendingChange) => void) {
    this.#nowMs = nowMs;
    this.#onSlowed = onSlowed;
  }

  /**
   * @param changes everything that may leave now: no later change of their entities may stand elsewhere
   * @returns without those that wait; whole transactions alone wait
   */
  without(changes: PendingChange[]): PendingChange[] {
    if (!changes.some(({ echo }) => echo)) return changes;
    const byEntity = new Map<string, number>();
    for (const { key } of changes) byEntity.set(key, (byEntity.get(key) ?? 0) + 1);
    const going = new Set<string>();
    for (const change of changes) {
      const alone = change.echo === true && byEntity.get(change.key) === 1;
      // Also where its transaction goes anyway: every round counts.
      const waits = change.echo === true && this.#waits(change);
      if (!alone || !waits) going.add(change.tx);
    }
    return changes.filter(({ tx }) => going.has(tx));
  }

  /** A person asked: what waits now waits no longer. */
  release(): void {
    for (const round of this.#rows.values()) round.dueMs = this.#nowMs();
  }

  #waits(change: PendingChange): boolean {
    const nowMs = this.#nowMs();
    const known = this.#rows.get(change.key);
    if (known?.id === change.id) return nowMs < known.dueMs;
    const rest = restOf(change);
    if (rest === undefined) return false;
    const again = known !== undefined && known.rest === rest && nowMs - known.seenMs < CALM_MS;
    const rounds = again ? known.rounds + 1 : 1;
    const dueMs = nowMs + roundDelayMs(rounds, LONGEST_WAIT_MS);
    if (this.#rows.size >= MOST_ROWS) this.#rows.clear();
    this.#rows.set(change.key, { rounds, id: change.id, rest, seenMs: nowMs, dueMs });
    if (nowMs < dueMs) this.#onSlowed(change);
    return nowMs < dueMs;
  }
}

/**
 * The row but for what the triggers set in it, to tell by: with an edit of anybody it is another one.
 * @returns undefined where it cannot be told: then nothing waits
 */
function restOf({ payload, changedFields }: PendingChange): string | undefined {
  if (payload === null || changedFields === null || payload.length > MOST_TEXT) return undefined;
  try {
    const set = new Set<string>(JSON.parse(changedFields));
    const rest = Object.entries(JSON.parse(payload)).filter(([name]) => !set.has(name));
    return createHash('sha256').update(JSON.stringify(rest)).digest('base64');
  } catch {
    // Postgres takes a json that is nested deeper than this program can follow.
    return undefined;
  }
}
