/**
 * The heart of the way out: looks at the queue, fills batches, keeps up to three of them in flight, and waits when the cloud is
 * away. It finds its work by looking; a wake-up only makes it look sooner. All its memory may be lost: the table knows what waits.
 *
 * Never two requests for one entity: what is in flight is *busy*, and what shares an entity with it stays behind. While
 * there are suspects (see push/suspects) they go alone.
 */
import { randomUUID } from 'node:crypto';
import type { Db } from '../db/connect.js';
import type { WakeGate } from '../db/wake.js';
import { QueueFloor } from '../queue/floor.js';
import { stillUnsettled } from '../queue/settle.js';
import type { Health } from '../service.js';
import { Flag, monotonicMs } from '../time.js';
import { Aftermath, type AftermathDeps } from './aftermath.js';
import { Backlog } from './backlog.js';
import { Contact, type ContactDeps } from './contact.js';
import { pushBatch } from './exchange.js';
import { Flights } from './flights.js';
import { Idling } from './idling.js';
import { staggered, wantsMore } from './link.js';
import type { Orders } from './orders.js';
import { Pass } from './pass.js';
import { type Suspect, Suspects } from './suspects.js';

export type PushLoopDeps = AftermathDeps &
  ContactDeps & {
    /** Reads; `db` settles. Each is one connection. */
    reader: Db;
    gate: WakeGate;
    coalesced: ReadonlySet<string>;
    /** Told when everything that could be sent has been answered, with the number of the pass that found no more. */
    onQuiet: (pass: number) => void;
  };

const MAX_IN_FLIGHT = 3;
/** The share of the limit that a batch must come to, to leave in the middle of a pass. */
const WORTHWHILE = 0.5;
const LONGEST_WAIT_MS = 20_000;
/** Beside the schedule of retries there are holds, which are shorter. */
const LONGEST_HOLD_MS = 60_000;

export class PushLoop {
  readonly #deps: PushLoopDeps;
  readonly #backlog = new Backlog();
  readonly #pass: Pass;
  readonly #contact: Contact;
  readonly #aftermath: Aftermath;
  readonly #suspects = new Suspects(randomUUID);
  readonly #idling: Idling;
  readonly #flag = new Flag();
  readonly #flights = new Flights();
  #enabled = false;
  /** Entity types that wait as a whole. */
  #heldTypes: readonly string[] = [];
  /** What the table last said of anything being held back, and how much was known to be by then. */
  #trouble = true;
  #knownTroubles = 0;
  #searching = false;
  #suspectsMayBeGone = false;
  #passes = 0;
  /** Raised by goOn: what was sent before may not be sent once more as it was. */
  #generation = 0;
  #fault: unknown;
  #progressAt = monotonicMs();

  constructor(deps: PushLoopDeps) {
    this.#deps = deps;
    this.#pass = new Pass({
      reader: deps.reader,
      special: deps.db,
      backlog: this.#backlog,
      floor: new QueueFloor(deps.reader, monotonicMs),
      coalesced: deps.coalesced,
      correctionMs: () => deps.clock.correctionMs,
      longestWaitMs: deps.retry.maxBackoffMs + LONGEST_HOLD_MS,
      log: deps.log,
    });
    this.#contact = new Contact(deps);
    this.#aftermath = new Aftermath(deps, {
      backlog: this.#backlog,
      pass: this.#pass,
      suspects: this.#suspects,
      contact: this.#contact,
    });
    this.#idling = new Idling(deps.gate, (error) => this.#fail(error));
  }

  /** Runs until `signal` aborts, then lets what is in flight come to its end. @throws what ended it: the database, or the lead, is lost. */
  async run(signal: AbortSignal): Promise<void> {
    // Awake until proven idle: a sale that found nobody here has not notified, and sleep waits for its commit.
    this.#idling.stayAwake();
    while (!signal.aborted && this.#fault === undefined) {
      this.#flag.lower();
      this.#progressAt = monotonicMs();
      const waitMs = await this.#step();
      // Going round now and then shows that it lives; a round without work asks nobody.
      if (this.#fault === undefined) await this.#flag.wait(Math.min(waitMs, LONGEST_WAIT_MS), signal);
    }
    while (this.#flights.size > 0 || this.#pass.reading) {
      this.#flag.lower();
      await this.#flag.wait(1_000);
    }
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Something may be new: look at once. */
  wake(): void {
    this.#idling.lookNow();
    this.#flag.raise();
  }

  /** The cloud called, or a person `asked`: drop every wait. */
  tryNow(asked = false): void {
    this.#pass.lookAtAll(asked);
    this.#contact.tryNow();
    this.wake();
  }

  /** Another copy of this outlet lives; nothing leaves until a person has decided. */
  stop(reason: string): void {
    this.#contact.stop(reason);
  }

  /** A person has decided that this copy goes on. What was read before may build on agreements that are no more. */
  goOn(): void {
    this.#generation++;
    this.#suspects.retain(() => false);
    this.#flights.keep([]);
    this.readAnew();
    this.#contact.goOn();
  }

  /** Passes begun so far. */
  get passes(): number {
    return this.#passes;
  }

  /** To be handed back with what is learnt from the table next. */
  get troubles(): number {
    return this.#aftermath.troubles;
  }

  configure({ enabled, trouble, troubles, heldTypes }: Orders): void {
    this.#trouble = trouble;
    this.#knownTroubles = troubles;
    if (enabled === this.#enabled && heldTypes.join('\n') === this.#heldTypes.join('\n')) return;
    this.#enabled = enabled;
    this.#heldTypes = heldTypes;
    this.readAnew();
  }

  /** What was read before a person acted, or before something was held, may be discarded, outdated or held by now. */
  readAnew(): void {
    this.#suspectsMayBeGone = true;
    this.#backlog.clear();
    this.#pass.abandon();
    this.wake();
  }

  health(): Health {
    return { ok: this.#fault === undefined, detail: this.#contact.standing.kind, progressAt: this.#progressAt };
  }

  /** Does what can be done now; returns for how long there is nothing to do. */
  async #step(): Promise<number> {
    const paused = { may: 'nothing', forMs: Number.POSITIVE_INFINITY } as const;
    const allowed = this.#enabled ? this.#contact.permission : paused;
    switch (allowed.may) {
      case 'nothing':
        this.#idling.stayAwake();
        return allowed.forMs;
      case 'ask':
        return this.#resume(await this.#contact.ask());
      case 'probe':
        return this.#flights.size > 0 ? Number.POSITIVE_INFINITY : this.#resume(await this.#contact.probe());
      case 'call':
        this.#leaveHeldTypes();
        return this.#suspects.size > 0 ? this.#sendSuspect() : this.#send();
      default:
        return allowed satisfies never;
    }
  }

  #resume(answers: boolean): number {
    if (answers) this.#idling.lookNow();
    return 0;
  }

  /** A person may have discarded suspects meanwhile. */
  async #retainUnsettled(): Promise<void> {
    this.#suspectsMayBeGone = false;
    const ids = [...this.#suspects.changes()].map(({ id }) => id);
    const unsettled = await stillUnsettled(this.#deps.db, ids);
    this.#suspects.retain((change) => unsettled.has(change.id));
    this.#flights.keep([...this.#suspects.changes()]);
  }

  /** What waits as a whole waits in the table, also where it was to be sent once more. */
  #leaveHeldTypes(): void {
    if (this.#heldTypes.length === 0 || this.#suspects.size === 0) return;
    this.#suspects.retain((change) => !this.#heldTypes.includes(change.entity_type));
    this.#flights.keep([...this.#suspects.changes()]);
  }

  /** One suspect at a time, nothing beside it. */
  async #sendSuspect(): Promise<number> {
    if (this.#flights.size > 0 || this.#pass.reading) return Number.POSITIVE_INFINITY;
    if (this.#suspects.wantFresh) {
      if (!this.#dispatchFresh() && !this.#searching) {
        this.#searching = true;
        return this.#look();
      }
      this.#searching = false;
      this.#suspects.freshTried();
      return 0;
    }
    // After an outage, a wait or a pause, what was kept in memory is held against the table first.
    if (this.#suspectsMayBeGone || this.#contact.standing.kind !== 'online') await this.#retainUnsettled();
    const suspect = this.#suspects.next();
    if (suspect) this.#dispatch(suspect);
    return suspect ? Number.POSITIVE_INFINITY : 0;
  }

  async #send(): Promise<number> {
    while (this.#flights.size < MAX_IN_FLIGHT && this.#dispatchFresh());
    if (this.#pass.reading) return Number.POSITIVE_INFINITY;
    if (!this.#pass.ended) {
      if (wantsMore(this.#deps.memory.link, this.#backlog) || !this.#backlog.ready) this.#read();
      return Number.POSITIVE_INFINITY;
    }
    if (this.#backlog.size > 0) return Number.POSITIVE_INFINITY;
    const waitMs = this.#idling.waitMs();
    return waitMs > 0 ? waitMs : this.#look();
  }

  /** Begins a new pass. */
  #look(): number {
    this.#passes++;
    const trouble = this.#trouble || this.#aftermath.troubles > this.#knownTroubles;
    this.#pass.begin(trouble, this.#flights.owned(), this.#heldTypes);
    this.#read();
    return Number.POSITIVE_INFINITY;
  }

  #read(): void {
    this.#pass
      .read(this.#deps.memory.link)
      .then(async (taken) => {
        if (taken === undefined) return;
        if (this.#pass.ended) await this.#idling.looked(taken > 0 || this.#flights.size > 0);
        if (taken === 0 && this.#pass.ended && this.#flights.size === 0 && this.#suspects.size === 0)
          this.#deps.onQuiet(this.#passes);
      })
      .catch((error) => this.#fail(error))
      .finally(() => this.#flag.raise());
  }

  #dispatchFresh(): boolean {
    const limits = staggered(this.#deps.memory.link, MAX_IN_FLIGHT - this.#flights.size);
    // While more is read and others are in flight, a small batch would only cost as much as a large one.
    const least = this.#pass.ended || this.#flights.size === 0 ? 1 : limits.changes * WORTHWHILE;
    const changes = this.#backlog.take(limits, this.#flights.busy, least);
    if (!changes) return false;
    this.#dispatch({ changes, batch_id: randomUUID(), failures: 0 });
    return true;
  }

  #dispatch(suspect: Suspect): void {
    const { changes, batch_id } = suspect;
    const generation = this.#generation;
    this.#flights.begin(changes);
    pushBatch({ ...this.#deps, patient: this.#heldTypes.length > 0 }, batch_id, changes, this.#deps.memory.encodings)
      .then((report) => this.#aftermath.answered(suspect, report))
      .catch((error) => this.#fail(error))
      .finally(() => {
        if (generation !== this.#generation) this.#suspects.retain(({ id }) => changes.every((one) => one.id !== id));
        // A pass that began meanwhile has left them out.
        if (generation !== this.#generation) this.readAnew();
        this.#flights.end(changes);
        this.#flights.keep([...this.#suspects.changes()]);
        this.#flag.raise();
      });
  }

  #fail(error: unknown): void {
    this.#fault ??= error;
    this.#flag.raise();
  }
}
