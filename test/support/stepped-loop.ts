/**
 * The push loop on a real queue, a step at a time: each request waits for the test's answer, and a page of the queue, once it is
 * asked to, waits between the database and the loop. Whatever the test sees next was made by what it has let go.
 */
import type { KyselyPlugin } from 'kysely';
import type { CloudClient } from '../../src/cloud/client.js';
import { ClockOffset } from '../../src/cloud/clock.js';
import type { Reply } from '../../src/cloud/reply.js';
import type { Standing } from '../../src/cloud/standing.js';
import type { WakeGate } from '../../src/db/wake.js';
import { PushLoop } from '../../src/push/loop.js';
import { newPushMemory } from '../../src/push/memory.js';
import type { Orders } from '../../src/push/orders.js';
import { steadyMs } from '../../src/time.js';
import { uuid } from './changes.js';
import { eventually } from './eventually.js';
import type { SettleStage } from './settle-stage.js';

type SentChange = { change_id: string; entity_id: string; base_cloud_version: number | null };

/** One request that has left and is not answered yet. */
export type Sent = {
  entities: string[];
  changes: SentChange[];
  /** @param body the answer's text; by default every change is accepted */
  answer(status?: number, body?: string): void;
  /** Nobody answers. */
  lose(): void;
};

export const accepted = ({ change_id, base_cloud_version }: SentChange) => ({
  change_id,
  status: 'accepted',
  cloud_version: (base_cloud_version ?? 0) + 1,
});
export const rejected = ({ change_id }: { change_id: string }) => ({
  change_id,
  status: 'rejected',
  error: { code: 'busy', message: 'not now', retryable: true },
});

const RETRY = { maxRetries: 3, initialBackoffMs: 60_000, maxBackoffMs: 1_800_000, multiplier: 2 };
const silent = () => {};

export class SteppedLoop {
  readonly loop: PushLoop;
  readonly #memory = newPushMemory();
  /** Ended by `end`. */
  readonly ending = new AbortController();
  readonly running: Promise<void>;
  /** The number of every pass that found nothing left to do. */
  readonly quiet: number[] = [];
  readonly #unseen: Sent[] = [];
  readonly #unanswered = new Set<Sent>();
  #held: { arrived: () => void; letGo: Promise<void> } | undefined;

  /** Runs at once, with nothing held back. @param coalesced entity types that send only their newest state */
  constructor(stage: SettleStage, coalesced: string[] = []) {
    const pages: KyselyPlugin = {
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        const [page] = result.rows;
        if (!page || !('unflushed' in page)) return result;
        Object.assign(page, { unflushed: false });
        const held = this.#held;
        this.#held = undefined;
        held?.arrived();
        await held?.letGo;
        return result;
      },
    };
    const client = {
      push: (body: Buffer) => this.#push(JSON.parse(body.toString()).changes),
      capabilities: async () => reply(404, ''),
      health: async () => reply(200, ''),
      aborted: false,
    };
    const gate = { awake: true, wake: silent, tryToSleep: async () => false };
    this.loop = new PushLoop({
      db: stage.db,
      reader: stage.shop.db.withPlugin(pages),
      gate: gate as unknown as WakeGate,
      client: client as unknown as CloudClient,
      clock: new ClockOffset(true),
      identity: { outlet_id: 'o', install_id: uuid(1), epoch: '1' },
      leader_epoch: '1',
      memory: this.#memory,
      coalesced: new Set(coalesced),
      retry: RETRY,
      timeoutMs: 30_000,
      strategyOf: () => 'manual',
      log: { error: silent, warn: silent, info: silent, debug: silent },
      checkEpoch: async () => undefined,
      nowMs: Date.now,
      steadyMs,
      // Every wait for the cloud is dropped by the test, none is over before.
      random: () => 0.99,
      onStanding: silent,
      onQuiet: (pass) => void this.quiet.push(pass),
      onFork: async () => {},
    });
    this.configure();
    this.running = this.loop.run(this.ending.signal);
    this.running.catch(silent);
  }

  /** As the look of a good day has it, but for what is given. */
  configure(given: Partial<Orders> = {}): void {
    this.loop.configure({ enabled: true, trouble: false, troubles: 0, heldTypes: [], ...given });
  }

  /** What leaves next; `nothing` where a look that began after this call has found nothing left to do. */
  async next(): Promise<Sent | 'nothing'> {
    const begun = this.loop.passes;
    return eventually<Sent | 'nothing' | undefined>(
      () => this.#unseen.shift() ?? ((this.quiet.at(-1) ?? 0) > begun ? 'nothing' : undefined),
      (seen) => seen !== undefined,
      'the next step of the loop',
      10_000,
    ) as Promise<Sent | 'nothing'>;
  }

  /** The request that leaves next. */
  async sent(): Promise<Sent> {
    const next = await this.next();
    if (next === 'nothing') throw new Error('nothing leaves');
    return next;
  }

  /** Returns once this is how the loop stands with the cloud. */
  async standsAs(wanted: Standing['kind']): Promise<void> {
    await eventually(
      () => this.#memory.standing.kind,
      (kind) => kind === wanted,
      wanted,
    );
  }

  /** Returns once the loop has looked at the whole queue, and has done what follows from it. @returns what has left meanwhile */
  async looked(): Promise<Sent[]> {
    const begun = this.loop.passes;
    this.loop.wake();
    await eventually(
      () => this.loop.passes,
      (passes) => passes >= begun + 3,
      'another look',
    );
    return this.#unseen.splice(0);
  }

  /** Writes between two looks; the first one that sees it waits with what it has read. @returns what lets it go */
  async holdWhatSees(write: () => Promise<unknown>): Promise<() => Promise<void>> {
    const before = await this.#holdNext();
    await write();
    const seen = this.#holdNext();
    await before();
    return seen;
  }

  /** Writes, and returns once that has been taken in, also where it may not leave yet. */
  async takenIn(write: () => Promise<unknown>): Promise<void> {
    await (await this.holdWhatSees(write))();
  }

  async #holdNext(): Promise<() => Promise<void>> {
    let letGo = silent;
    const arrived = new Promise<void>((arrives) => {
      const held = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      this.#held = { arrived: arrives, letGo: held };
    });
    this.loop.wake();
    await arrived;
    return async () => {
      letGo();
      await turn();
    };
  }

  /** Ends the loop and whatever is still on its way. */
  async end(): Promise<void> {
    this.ending.abort();
    this.#held = undefined;
    for (const sent of this.#unanswered) sent.lose();
    await this.running.catch(silent);
  }

  #push(changes: SentChange[]): Promise<unknown> {
    return new Promise((resolve) => {
      const answers = (answer: Reply) => {
        this.#unanswered.delete(sent);
        resolve({ reply: answer, bytes: 10, wireBytes: 10 });
      };
      const sent: Sent = {
        changes,
        entities: changes.map(({ entity_id }) => entity_id),
        answer: (status = 200, body = JSON.stringify({ results: changes.map(accepted) })) =>
          answers(reply(status, body)),
        lose: () => answers({ kind: 'none', error: 'no answer', timedOut: false, durationMs: 1 }),
      };
      this.#unanswered.add(sent);
      this.#unseen.push(sent);
    });
  }
}

/** What follows from what has happened, and waits for nothing else, is done then. */
export const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

function reply(status: number, body: string): Reply {
  return { kind: 'answer', status, body, retryAfter: undefined, date: undefined, durationMs: 1 };
}
