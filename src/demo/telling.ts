/**
 * What every step of the fixed story is told with: the till sells up to a share of the day, a condition is waited for with a
 * deadline, both sides are looked at until they meet. What was expected and not seen is collected here.
 */
import { SyncError } from '../errors.js';
import type { Finding } from './audit.js';
import { describeQueue, seconds } from './narrate.js';
import { differenceFrom, type Expected, Office } from './office.js';
import type { Stage } from './stage.js';

export class Telling {
  readonly stage: Stage;
  readonly office: Office;
  readonly say: (line: string) => void;
  /** What both sides should have held and did not. */
  readonly unmet: Finding[] = [];
  readonly #sales: number;
  readonly #signal: AbortSignal;

  constructor(stage: Stage, sales: number, say: (line: string) => void, signal: AbortSignal) {
    this.stage = stage;
    this.office = new Office(stage.cloud);
    this.say = say;
    this.#sales = sales;
    this.#signal = signal;
  }

  /** @throws SyncError when the demo was stopped */
  check(): void {
    if (this.#signal.aborted) throw new SyncError('failed', 'the demo was stopped');
  }

  async sellUpTo(share: number): Promise<void> {
    const { till } = this.stage;
    const before = till.sold;
    while (till.sold < Math.ceil(this.#sales * share) && !this.#signal.aborted) await till.act();
    this.check();
    this.say(`sold ${till.sold - before}`);
    await this.tellQueue();
  }

  async tellQueue(): Promise<void> {
    this.say(describeQueue(await this.stage.queue(), this.stage.cloud.ledger.accepted().length));
  }

  /** False where it did not come true in time. @throws SyncError when the demo was stopped */
  async until(ms: number, done: () => Promise<boolean> | boolean): Promise<boolean> {
    const came = await this.stage.until(ms, done, this.#signal);
    this.check();
    return came;
  }

  /** False where changes still wait. */
  quiet(ms: number): Promise<boolean> {
    return this.until(ms, async () => (await this.stage.queue()).waiting === 0);
  }

  /** @throws SyncError where a step that the story cannot do without does not come */
  async expect(ms: number, what: string, done: () => Promise<boolean> | boolean): Promise<void> {
    if (await this.until(ms, done)) return;
    throw new SyncError('failed', `${what}: nothing of it after ${seconds(ms)}`, {
      hint: `The daemon's last words:\n${this.stage.daemon.lastWords()}`,
    });
  }

  /** Both sides hold what they should within the time; what they do not is a finding. */
  async meet(ms: number, expected: Expected[]): Promise<void> {
    await this.until(ms, async () => (await this.#differences(expected)).length === 0);
    this.unmet.push(...(await this.#differences(expected)));
  }

  async #differences(expected: Expected[]): Promise<Finding[]> {
    const findings: Finding[] = [];
    for (const one of expected) {
      const { entity_type, entity_id } = one;
      const detail = await differenceFrom(this.office, this.stage.owner, one);
      if (detail !== null) findings.push({ kind: 'different', entity_type, entity_id, detail });
    }
    return findings;
  }
}
