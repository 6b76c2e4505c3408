/**
 * Tills that sell through every fault: each its own connection and its own products, one seeded transaction after another. When
 * PostgreSQL goes away they come back as soon as it does and go on. What they committed is read from PostgreSQL, so they keep no
 * journal; they only tell which sales failed while PostgreSQL was there.
 */
import pg from 'pg';
import { MENU } from '../../src/demo/shop/catalogue.js';
import { cancelOrder, type OpenOrder, payOrder, placeOrder, removeOrder } from '../../src/demo/shop/orders.js';
import { type Random, seededRandom } from '../../src/demo/shop/random.js';
import { codeOf, wordsOf } from '../../src/errors.js';
import { sleep } from '../../src/time.js';

const none = () => {};
const AT = '2026-11-22T02:00:00.000001Z';

export type SellerOptions = {
  url: string;
  seed: number;
  tills?: number;
  /** Pause between two transactions of one till. */
  pauseMs?: number;
  /** `off`: a commit may be lost in a crash. */
  synchronousCommit?: 'on' | 'off';
};

export class Seller {
  sold = 0;
  /** Sales that failed for another reason than that PostgreSQL was away. */
  readonly failures: string[] = [];
  readonly #options: SellerOptions;
  readonly #closing = new AbortController();
  readonly #tills: Promise<void>[];

  constructor(options: SellerOptions) {
    this.#options = options;
    const tills = options.tills ?? 2;
    this.#tills = Array.from({ length: tills }, (_, till) => this.#run(till, tills));
  }

  /** Ends when every till has finished its transaction. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#tills);
  }

  async #run(till: number, tills: number): Promise<void> {
    const { seed, pauseMs = 2 } = this.#options;
    const random = seededRandom(seed * 1000 + till);
    const products = MENU.map((_, index) => String(index + 1)).filter((_, index) => index % tills === till);
    const day = { till, products, open: [] as OpenOrder[], numbers: 0 };
    let client: pg.Client | undefined;
    while (!this.#closing.signal.aborted) {
      try {
        client ??= await this.#connect(till);
        await act(client, random, day);
        this.sold += 1;
        await sleep(pauseMs, this.#closing.signal);
      } catch (error) {
        if (!isAway(error)) this.failures.push(wordsOf(error));
        void client?.end().catch(none);
        client = undefined;
        // Whether the last one counts is unknown; its orders are not touched again.
        day.open.length = 0;
        await sleep(20, this.#closing.signal);
      }
    }
    void client?.end().catch(none);
  }

  async #connect(till: number): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#options.url,
      application_name: `till ${till}`,
      options: `-c synchronous_commit=${this.#options.synchronousCommit ?? 'on'}`,
    });
    client.on('error', none);
    await client.connect();
    return client;
  }
}

type Day = { till: number; products: string[]; open: OpenOrder[]; numbers: number };

async function act(client: pg.Client, random: Random, day: Day): Promise<void> {
  const chance = random.fraction();
  const order = day.open[0];
  await client.query('BEGIN');
  if (chance < 0.3 && order) {
    day.open.shift();
    if (chance < 0.15) await payOrder(client, random, none, order, AT);
    else if (chance < 0.22) await cancelOrder(client, none, order, AT);
    else await removeOrder(client, none, order);
  } else if (chance < 0.4) {
    await client.query('UPDATE products SET price = price + 500, updated_at = clock_timestamp() WHERE id = $1', [
      random.pick(day.products),
    ]);
  } else {
    day.numbers += 1;
    const number = `${day.till}-${process.hrtime.bigint()}-${day.numbers}`;
    const placed = await placeOrder(client, random, none, { ...day, number, customer: undefined, at: AT });
    if (chance < 0.7) await payOrder(client, random, none, placed, AT);
    else if (chance < 0.95) day.open.push(placed);
    else {
      await client.query('ROLLBACK');
      return;
    }
  }
  await client.query('COMMIT');
}

function isAway(error: unknown): boolean {
  const code = codeOf(error);
  if (code === undefined) return error instanceof Error && !('severity' in error);
  return /^(E[A-Z]+|57P0.|08...)$/.test(code);
}
