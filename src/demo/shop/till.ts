/**
 * The simulated till: one connection as the POS's own role, one transaction after another, chosen by a seeded chance. Owns the
 * shop's state in memory (who the customers are, which orders are open) and the journal of what was committed. A fault in a
 * transaction rolls it back and is thrown: nothing of syncd may ever cause one.
 */
import pg from 'pg';
import { FIRST_NAMES, LAST_NAMES, MENU } from './catalogue.js';
import { entityId, type JournalEntry, type Note } from './journal.js';
import { cancelOrder, type OpenOrder, payOrder, placeOrder, removeOrder } from './orders.js';
import type { Random } from './random.js';

/** What the till just did, for the narration. `total` is rupiah as PostgreSQL wrote it. */
export type TillEvent =
  | { kind: 'sold'; number: string; total: string; method: string }
  | { kind: 'ordered' | 'cancelled' | 'removed' | 'abandoned'; number: string }
  | { kind: 'customer created' | 'customer edited' | 'customer deleted'; name: string }
  | { kind: 'price changed' | 'restocked'; product: string };

const REGULARS = 6;

export class Till {
  /** In commit order. */
  readonly journal: JournalEntry[] = [];
  sold = 0;
  readonly #client: pg.Client;
  readonly #random: Random;
  readonly #clock: () => string;
  readonly #products = MENU.map((_, index) => String(index + 1));
  readonly #customers: { id: string; name: string }[] = [];
  readonly #open: OpenOrder[] = [];
  #numbers = 0;

  private constructor(client: pg.Client, random: Random, clock: () => string) {
    this.#client = client;
    this.#random = random;
    this.#clock = clock;
  }

  /** @param clock the till's wall clock, as text that PostgreSQL reads. */
  static async open(url: string, random: Random, clock: () => string): Promise<Till> {
    const client = new pg.Client({ connectionString: url, application_name: 'till 1', ssl: false });
    client.on('error', () => {});
    await client.connect();
    return new Till(client, random, clock);
  }

  /** The first morning: the menu, the stock and the regulars, in one transaction. */
  async stockShop(): Promise<void> {
    const at = this.#clock();
    await this.commit(async (note) => {
      for (const [index, item] of MENU.entries()) {
        await this.#client.query(
          'INSERT INTO products (id, sku, name, category, price, options, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)',
          [index + 1, item.sku, item.name, item.category, item.price, item.options, at],
        );
        note('create', 'product', String(index + 1));
      }
      await this.#client.query('INSERT INTO stock SELECT id, 25.000, $1 FROM products', [at]);
      for (const product of this.#products) note('create', 'stock', product);
      for (let count = 0; count < REGULARS; count += 1) await this.#addCustomer(note, at);
    });
  }

  /** One thing that happens at a counter; seven times in ten a plain sale. */
  async act(): Promise<TillEvent> {
    const at = this.#clock();
    const chance = this.#random.fraction();
    if (chance < 0.7) return await this.#sell(at);
    if (chance < 0.78) return await this.#take(at);
    if (chance < 0.87) return await this.#settleOpen(at);
    if (chance < 0.9) return await this.#abandon(at);
    if (chance < 0.93) return await this.commit((note) => this.#addCustomer(note, at));
    if (chance < 0.96) return await this.#editCustomer();
    if (chance < 0.965) return await this.#deleteCustomer();
    if (chance < 0.98) return await this.#changePrice(at);
    return await this.#restock(at);
  }

  /** Sells one product alone, and tells for how much a piece. */
  async sellOne(product: string): Promise<{ number: string; price: string }> {
    const at = this.#clock();
    const sale = await this.commit(async (note, client) => {
      const order = await placeOrder(client, this.#random, note, { ...this.#newOrder(at), products: [product] });
      await payOrder(client, this.#random, note, order, at);
      const lines = await client.query<{ price: string }>(
        'SELECT price::text FROM order_items WHERE order_id = $1 AND product_id = $2',
        [order.id, product],
      );
      return { number: order.number, price: lines.rows[0]?.price ?? '' };
    });
    this.sold += 1;
    return sale;
  }

  async close(): Promise<void> {
    await this.#client.end();
  }

  async #sell(at: string): Promise<TillEvent> {
    const sale = await this.commit(async (note) => {
      const order = await placeOrder(this.#client, this.#random, note, this.#newOrder(at));
      return { order, ...(await payOrder(this.#client, this.#random, note, order, at)) };
    });
    this.sold += 1;
    return { kind: 'sold', number: sale.order.number, total: sale.total, method: sale.method };
  }

  /** An order at a table, paid later. */
  async #take(at: string): Promise<TillEvent> {
    const order = await this.commit((note) => placeOrder(this.#client, this.#random, note, this.#newOrder(at)));
    this.#open.push(order);
    return { kind: 'ordered', number: order.number };
  }

  async #settleOpen(at: string): Promise<TillEvent> {
    const order = this.#open.shift();
    if (!order) return await this.#sell(at);
    const chance = this.#random.fraction();
    if (chance < 0.2) {
      await this.commit((note) => removeOrder(this.#client, note, order));
      return { kind: 'removed', number: order.number };
    }
    if (chance < 0.45) {
      await this.commit((note) => cancelOrder(this.#client, note, order, at));
      return { kind: 'cancelled', number: order.number };
    }
    const { method, total } = await this.commit((note) => payOrder(this.#client, this.#random, note, order, at));
    this.sold += 1;
    return { kind: 'sold', number: order.number, total, method };
  }

  /** The card is refused and the sale rolled back: nothing of it may ever reach the cloud. */
  async #abandon(at: string): Promise<TillEvent> {
    const next = this.#newOrder(at);
    await this.#client.query('BEGIN');
    await placeOrder(this.#client, this.#random, () => {}, next);
    await this.#client.query('ROLLBACK');
    return { kind: 'abandoned', number: next.number };
  }

  async #addCustomer(note: Note, at: string): Promise<TillEvent> {
    const customer = {
      id: this.#random.uuid(),
      name: `${this.#random.pick(FIRST_NAMES)} ${this.#random.pick(LAST_NAMES)}`,
    };
    const birthday = `${this.#random.between(1960, 2008)}-${this.#random.between(1, 12)}-${this.#random.between(1, 28)}`;
    await this.#client.query(
      'INSERT INTO customers (id, name, phone, birthday, created_at) VALUES ($1, $2, $3, $4, $5)',
      [customer.id, customer.name, this.#phone(), birthday, at],
    );
    note('create', 'customer', customer.id);
    this.#customers.push(customer);
    return { kind: 'customer created', name: customer.name };
  }

  async #editCustomer(): Promise<TillEvent> {
    const { id, name } = this.#random.pick(this.#customers);
    await this.commit(async (note) => {
      await this.#client.query('UPDATE customers SET phone = $2 WHERE id = $1', [id, this.#phone()]);
      note('update', 'customer', id);
    });
    return { kind: 'customer edited', name };
  }

  /** A customer asks to be forgotten: the orders stay, without a name, by the foreign key. */
  async #deleteCustomer(): Promise<TillEvent> {
    if (this.#customers.length <= REGULARS) return await this.#editCustomer();
    const { id, name } = this.#customers.shift() as { id: string; name: string };
    await this.commit(async (note) => {
      const orders = await this.#client.query<{ id: string }>('SELECT id FROM orders WHERE customer_id = $1', [id]);
      await this.#client.query('DELETE FROM customers WHERE id = $1', [id]);
      note('delete', 'customer', id);
      for (const order of orders.rows) note('update', 'order', order.id);
    });
    for (const order of this.#open) if (order.customer === id) order.customer = undefined;
    return { kind: 'customer deleted', name };
  }

  async #changePrice(at: string): Promise<TillEvent> {
    const product = this.#random.pick(this.#products);
    const step = this.#random.between(1, 4) * 500;
    await this.commit(async (note) => {
      await this.#client.query('UPDATE products SET price = price + $2, updated_at = $3 WHERE id = $1', [
        product,
        step,
        at,
      ]);
      note('update', 'product', product);
    });
    return { kind: 'price changed', product: this.#nameOf(product) };
  }

  async #restock(at: string): Promise<TillEvent> {
    const product = this.#random.pick(this.#products);
    await this.commit(async (note) => {
      await this.#client.query('UPDATE stock SET quantity = quantity + 5.250, updated_at = $2 WHERE product_id = $1', [
        product,
        at,
      ]);
      note('update', 'stock', product);
    });
    return { kind: 'restocked', product: this.#nameOf(product) };
  }

  /** Runs `work` in one transaction and enters what it noted into the journal once the commit is known. */
  async commit<T>(work: (note: Note, client: pg.Client) => Promise<T>): Promise<T> {
    const noted: Omit<JournalEntry, 'tx'>[] = [];
    await this.#client.query('BEGIN');
    try {
      const note: Note = (operation, entity_type, ...key) => {
        noted.push({ entity_type, entity_id: entityId(key), operation });
      };
      const result = await work(note, this.#client);
      const { rows } = await this.#client.query<{ tx: string }>('SELECT pg_current_xact_id()::text AS tx');
      await this.#client.query('COMMIT');
      const tx = (rows[0] as { tx: string }).tx;
      for (const entry of noted) this.journal.push({ tx, ...entry });
      return result;
    } catch (error) {
      await this.#client.query('ROLLBACK').catch(() => {});
      throw error;
    }
  }

  #newOrder(at: string) {
    this.#numbers += 1;
    const customer = this.#random.fraction() < 0.3 ? this.#random.pick(this.#customers).id : undefined;
    return { number: `JKT-014-${String(this.#numbers).padStart(6, '0')}`, customer, at, products: this.#products };
  }

  #phone(): string {
    return `+62 8${this.#random.between(11, 99)}-${this.#random.between(1000, 9999)}-${this.#random.between(1000, 9999)}`;
  }

  #nameOf(product: string): string {
    return MENU[Number(product) - 1]?.name ?? product;
  }
}
