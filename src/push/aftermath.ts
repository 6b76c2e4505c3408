/**
 * What follows from an answer: everything that is kept in memory (window, pass, suspects, the line's size, our standing) is
 * brought in step with what the exchange has settled, or has failed to settle. Nothing here is the truth; the table is.
 */

import { type Backlog, newerState, type PendingChange } from './backlog.js';
import type { Contact } from './contact.js';
import { blame, type ExchangeDeps, type ExchangeReport } from './exchange.js';
import { afterAnswer, afterTooMuch } from './link.js';
import type { PushMemory } from './memory.js';
import { bearingOfPush } from './outcome.js';
import type { Pass } from './pass.js';
import type { Suspect, Suspects } from './suspects.js';

export type AftermathDeps = ExchangeDeps & {
  memory: PushMemory;
  /** The deadline of one request. */
  timeoutMs: number;
  steadyMs: () => number;
  /** @param epoch the cloud's own, where it names one */
  onFork: (reason: string, epoch: number | undefined) => Promise<void>;
  /** Told when an answer held entities back: a rule may settle what is in conflict. */
  onHeld?: () => void;
};

type Parts = { backlog: Backlog; pass: Pass; suspects: Suspects; contact: Contact };

/** 415 Unsupported Media Type. */
const UNSUPPORTED = 415;

export class Aftermath {
  readonly #deps: AftermathDeps;
  readonly #parts: Parts;
  #troubles = 0;

  constructor(deps: AftermathDeps, parts: Parts) {
    this.#deps = deps;
    this.#parts = parts;
  }

  /** Counts what came to be held back, so that an older look at the table cannot deny it. */
  get troubles(): number {
    return this.#troubles;
  }

  /** To be called once for every batch that was sent, before it stops being in flight. */
  async answered(suspect: Suspect, report: ExchangeReport): Promise<void> {
    const { memory, log, timeoutMs, steadyMs } = this.#deps;
    const { outcome, changes, accepted } = report;
    const took = { durationMs: report.durationMs, nowMs: steadyMs() };
    switch (outcome.kind) {
      case 'results':
        memory.link = afterAnswer(memory.link, report, took, timeoutMs);
        if (accepted > 0) this.#parts.suspects.proven(steadyMs());
        this.#carryOver(suspect.changes, report);
        log.info('pushed', {
          batch_id: suspect.batch_id,
          changes,
          accepted,
          duration_ms: Math.round(report.durationMs),
        });
        break;
      case 'offline': {
        if (outcome.timedOut) memory.link = afterTooMuch(memory.link, report, took);
        this.#backlogToTable();
        const guilty = this.#parts.suspects.unanswered(suspect, steadyMs());
        if (guilty) return this.#blame(suspect, guilty, { reason: outcome.reason, retryable: true, unheard: true });
        break;
      }
      case 'too_large':
        memory.link = afterTooMuch(memory.link, report, took);
        this.#parts.contact.askAgain();
        await this.#isolate(suspect, `too large for the cloud (${outcome.reason})`, false);
        break;
      case 'bad_batch':
        await this.#isolate(suspect, outcome.reason, outcome.retryable);
        break;
      case 'refused':
        // It takes other encodings than it listed: sent once more as it was, the batch would be refused for ever.
        if (outcome.status === UNSUPPORTED) this.#parts.contact.askAgain();
        this.#unjudged(suspect);
        break;
      case 'wait':
      case 'restored':
        this.#unjudged(suspect);
        break;
      case 'fork':
        this.#unjudged(suspect);
        await this.#deps.onFork(outcome.reason, outcome.epoch);
        break;
      default:
        outcome satisfies never;
    }
    this.#parts.contact.replied(bearingOfPush(outcome));
  }

  /**
   * Halves a batch that the cloud refused as a whole; a lone change is the bad one. Such an answer is about the request (409: the
   * cloud is still busy with the one before, say), and tells nothing of whether the change had arrived with an earlier one.
   */
  async #isolate(suspect: Suspect, reason: string, retryable: boolean): Promise<void> {
    const [lone, ...others] = suspect.changes;
    if (lone && others.length === 0) await this.#blame(suspect, lone, { reason, retryable, unheard: true });
    else this.#parts.suspects.halve(suspect.changes);
  }

  async #blame(suspect: Suspect, change: PendingChange, why: Parameters<typeof blame>[3]): Promise<void> {
    this.#deps.log.warn('a change was set aside', {
      entity_type: change.entity_type,
      change_id: change.change_id,
      reason: why.reason,
    });
    const held = await blame(this.#deps, suspect.batch_id, change, why);
    this.#carryOver([change], { states: new Map(), held, again: [], anew: new Set() });
  }

  /** Carries over to everything in memory what was settled. */
  #carryOver(changes: PendingChange[], settled: Pick<ExchangeReport, 'states' | 'held' | 'again' | 'anew'>): void {
    const { pass, backlog, suspects } = this.#parts;
    for (const change of changes) {
      pass.noteSettled(change.id);
      for (const older of change.supersedes) pass.noteSettled(older.id);
    }
    // Before the agreements are carried over: what goes once more may build on one that this very answer has made.
    if (settled.again.length > 0) suspects.add(settled.again);
    settled.states.forEach((state, key) => {
      pass.noteState(key, state);
      backlog.settled(key, state);
    });
    for (const change of suspects.changes()) {
      change.state = newerState(change.state, settled.states.get(change.key) ?? change.state);
    }
    for (const key of settled.held) {
      this.#troubles++;
      pass.expectTrouble();
      pass.noteHeld(key);
      backlog.drop(key);
      suspects.retain((change) => change.key !== key);
    }
    if (settled.held.size > 0) this.#deps.onHeld?.();
    // What was taken in when they were folded, or named when they were read, is in part no more.
    if (settled.anew.size > 0) this.#backlogToTable();
  }

  #unjudged(suspect: Suspect): void {
    this.#parts.suspects.putBack(suspect);
    this.#backlogToTable();
  }

  /** What was only read is read again later; it may be days until then. */
  #backlogToTable(): void {
    this.#parts.backlog.clear();
    this.#parts.pass.abandon();
  }
}
