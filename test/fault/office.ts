/**
 * Head office at work through every fault: prices, goods received, customers entered, changed and forgotten, one seeded edit
 * after another, straight into the cloud. It edits only what it finds there, so a shop that has not pushed yet has its peace.
 */
import type { EntityRecord } from '../../src/demo/cloud/records.js';
import { scalarOf } from '../../src/demo/cloud/text.js';
import { type Random, seededRandom } from '../../src/demo/shop/random.js';
import { wordsOf } from '../../src/errors.js';
import { sleep } from '../../src/time.js';
import type { CloudProcess } from '../support/cloud-process.js';

export type OfficeOptions = {
  cloud: CloudProcess;
  outletId: string;
  seed: number;
  /** Pause between two edits. */
  pauseMs?: number;
  /** Every edit is also told by webhook, with its row or as a hint. */
  webhooks?: 'row' | 'hint' | undefined;
};

export class Office {
  edits = 0;
  readonly failures: string[] = [];
  readonly #options: OfficeOptions;
  readonly #random: Random;
  readonly #closing = new AbortController();
  readonly #working: Promise<void>;

  constructor(options: OfficeOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#working = this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#working;
  }

  async #run(): Promise<void> {
    const { pauseMs = 20 } = this.#options;
    while (!this.#closing.signal.aborted) {
      try {
        if (await this.#act()) this.edits += 1;
      } catch (error) {
        this.failures.push(wordsOf(error));
      }
      await sleep(pauseMs, this.#closing.signal);
    }
  }

  async #act(): Promise<boolean> {
    const chance = this.#random.fraction();
    if (chance < 0.4) return await this.#patch('product', (row) => `{"price":${this.#price(row)}}`);
    if (chance < 0.5) return await this.#patch('product', () => `{"name":"Kopi ${this.#random.between(1, 999)}"}`);
    if (chance < 0.75) return await this.#patch('stock', (row) => `{"quantity":${received(row, this.#random)}}`);
    if (chance < 0.9) return await this.#patch('customer', () => `{"phone":"+62 21 ${this.#random.between(1, 9999)}"}`);
    if (chance < 0.95) return await this.#newCustomer();
    // Regulars have orders at the till; those that came from here have none.
    const mine = (await this.#alive('customer')).find((one) => one.data?.includes('"name":"Kantor '));
    return mine !== undefined && (await this.#edit({ ...nameOf(mine), operation: 'delete' }));
  }

  async #alive(type: string): Promise<EntityRecord[]> {
    const { cloud, outletId } = this.#options;
    return (await cloud.entities(outletId, type)).filter((one) => !one.deleted);
  }

  async #patch(type: string, patch: (row: string) => string): Promise<boolean> {
    const list = await this.#alive(type);
    if (list.length === 0) return false;
    const one = this.#random.pick(list);
    return await this.#edit({ ...nameOf(one), patch: patch(one.data ?? '{}') });
  }

  async #newCustomer(): Promise<boolean> {
    const id = this.#random.uuid();
    const data = `{"id":"${id}","name":"Kantor ${this.#random.between(1, 999)}","phone":"+62","points":0,"birthday":null,"created_at":"2026-11-22T02:00:00.000001+00:00"}`;
    return await this.#edit({ entity_type: 'customer', entity_id: id, data });
  }

  async #edit(edit: Parameters<CloudProcess['edit']>[0]): Promise<boolean> {
    const { cloud, outletId, webhooks } = this.#options;
    await cloud.edit({ outlet_id: outletId, ...edit });
    if (webhooks) await cloud.webhook({ outlet_id: outletId, entities: [edit], as: webhooks });
    return true;
  }

  #price(row: string): string {
    const [whole = '0'] = (scalarOf(row, 'price') ?? '0').split('.');
    return `${BigInt(whole) + BigInt(this.#random.between(1, 9)) * 100n}.${this.#random.between(10, 99)}`;
  }
}

const nameOf = ({ entity_type, entity_id }: EntityRecord) => ({ entity_type, entity_id });

/** A delivery of some kilogrammes, reckoned in grammes. */
function received(row: string, random: Random): string {
  const [kilos = '0', grammes = '0'] = (scalarOf(row, 'quantity') ?? '0').split('.');
  const negative = kilos.startsWith('-');
  const magnitude = BigInt(kilos.replace('-', '')) * 1000n + BigInt(grammes.padEnd(3, '0'));
  const sum = (negative ? -magnitude : magnitude) + BigInt(random.between(1, 20)) * 250n;
  const size = sum < 0n ? -sum : sum;
  return `${sum < 0n ? '-' : ''}${size / 1000n}.${String(size % 1000n).padStart(3, '0')}`;
}
