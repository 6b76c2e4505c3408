/**
 * What one order does to the POS: placed with its items and taken from stock, then paid, called off, or removed. Every function
 * runs inside a transaction that the till opened, and notes each row it changes. Money is reckoned by PostgreSQL.
 */
import type pg from 'pg';
import { METHODS, NOTES } from './catalogue.js';
import type { Note } from './journal.js';
import type { Random } from './random.js';

export type OpenOrder = { id: string; number: string; customer: string | undefined; items: number; products: string[] };

/** The 10 % restaurant tax of Jakarta. */
const TAX = '1.10';

/** A new order with one to four different products. */
export async function placeOrder(
  client: pg.Client,
  random: Random,
  note: Note,
  order: { number: string; customer: string | undefined; at: string; products: string[] },
): Promise<OpenOrder> {
  const id = random.uuid();
  const products = new Set(Array.from({ length: random.between(1, 4) }, () => random.pick(order.products)));
  await client.query('INSERT INTO orders (id, number, customer_id, note, opened_at) VALUES ($1, $2, $3, $4, $5)', [
    id,
    order.number,
    order.customer ?? null,
    random.fraction() < 0.2 ? random.pick(NOTES) : null,
    order.at,
  ]);
  note('create', 'order', id);
  let line = 0;
  for (const product of products) {
    line += 1;
    const quantity = random.between(1, 3);
    await client.query(
      `INSERT INTO order_items (order_id, line, product_id, quantity, price, choices)
       SELECT $1, $2, id, $4, price, CASE WHEN options ? 'gula' THEN jsonb_build_object('gula', options->'gula'->>$5::int) END
       FROM products WHERE id = $3`,
      [id, line, product, quantity, random.between(0, 2)],
    );
    note('create', 'order_item', id, String(line));
    await client.query(
      'UPDATE stock SET quantity = quantity - $2::int * 0.018, updated_at = $3 WHERE product_id = $1',
      [product, quantity, order.at],
    );
    note('update', 'stock', product);
  }
  return { id, number: order.number, customer: order.customer, items: line, products: [...products] };
}

/** Pays an order in full; returns how, and the total as PostgreSQL wrote it. */
export async function payOrder(
  client: pg.Client,
  random: Random,
  note: Note,
  order: OpenOrder,
  at: string,
): Promise<{ method: string; total: string }> {
  const method = random.pick(METHODS);
  // Card and wallet traces are 64-bit numbers beyond what a double can hold: a cloud that rounds them shows.
  const trace =
    method === 'tunai' ? null : String(9_007_199_254_740_993n + BigInt(random.between(0, 1_000_000_000)) * 3n);
  const paid = await client.query<{ id: string; amount: string }>(
    `INSERT INTO payments (order_id, method, amount, tendered, trace, paid_at)
     SELECT $1, $2, t.total, CASE WHEN $3::bigint IS NULL THEN ceil(t.total / 50000) * 50000 ELSE t.total END, $3, $4
     FROM (SELECT round(sum(subtotal) * ${TAX}, 2) AS total FROM order_items WHERE order_id = $1) t
     RETURNING id::text, amount::text`,
    [order.id, method, trace, at],
  );
  const payment = paid.rows[0] as { id: string; amount: string };
  note('create', 'payment', payment.id);
  await client.query("UPDATE orders SET status = 'paid', total = $2, paid_at = $3 WHERE id = $1", [
    order.id,
    payment.amount,
    at,
  ]);
  note('update', 'order', order.id);
  if (order.customer) {
    await client.query('UPDATE customers SET points = points + 1 WHERE id = $1', [order.customer]);
    note('update', 'customer', order.customer);
  }
  return { method, total: payment.amount };
}

/** Calls an unpaid order off and puts a unit of each product back. */
export async function cancelOrder(client: pg.Client, note: Note, order: OpenOrder, at: string): Promise<void> {
  await client.query("UPDATE orders SET status = 'cancelled', note = concat_ws('; ', note, 'batal') WHERE id = $1", [
    order.id,
  ]);
  note('update', 'order', order.id);
  await client.query('UPDATE stock SET quantity = quantity + 0.018, updated_at = $2 WHERE product_id = ANY ($1)', [
    order.products,
    at,
  ]);
  for (const product of order.products) note('update', 'stock', product);
}

/** Removes an order that was keyed in by mistake; its items go with it by the foreign key. */
export async function removeOrder(client: pg.Client, note: Note, order: OpenOrder): Promise<void> {
  await client.query('DELETE FROM orders WHERE id = $1', [order.id]);
  note('delete', 'order', order.id);
  for (let line = 1; line <= order.items; line += 1) note('delete', 'order_item', order.id, String(line));
}
