/**
 * What both sides do to the same things while the line is cut: two columns of one product, the same column of another, customers
 * deleted here and edited there, goods received at head office while the shop sells; and what both sides have to hold
 * afterwards, by the rule that syncd.yaml names for each.
 */
import type { Expected, Office } from './office.js';
import { shopValue } from './office.js';
import type { Stage } from './stage.js';

/** Products by their place on the menu. */
export const PRODUCTS = { price: '3', disjoint: '5', clash: '6', stock: '8', webhook: '10' };

export const PRODUCT = { entity_type: 'product', table: 'public.products', key: 'id' };
const STOCK = { entity_type: 'stock', table: 'public.stock', key: 'product_id' };
const CUSTOMER = { entity_type: 'customer', table: 'public.customers', key: 'id' };
const MINUTE_MS = 60_000;
const RENAMED = { json: '"Caffè Latte Senja"', text: 'Caffè Latte Senja' };
/** No price that the till makes: its steps are of 500. */
const DICTATED = '36250.00';
const PHONES = { shop: '+62 21-555-0200', office: '+62 21-555-0300' };

/** Two customers whom only the scenes touch. */
export type Cast = { kept: string; returning: string };

export async function castCustomers(stage: Stage): Promise<Cast> {
  return await stage.till.commit(async (note, client) => {
    const add = async (name: string) => {
      const { rows } = await client.query<{ id: string }>(
        "INSERT INTO customers (id, name, phone, created_at) VALUES (gen_random_uuid(), $1, '+62 21-555-0100', clock_timestamp()) RETURNING id",
        [name],
      );
      const id = rows[0]?.id ?? '';
      note('create', 'customer', id);
      return id;
    };
    return { kept: await add('Ibu Sri'), returning: await add('Pak Harto') };
  });
}

/** Plays all of it; the cloud is down, or nothing of it would diverge. */
export async function playScenes(stage: Stage, office: Office, cast: Cast, say: (line: string) => void): Promise<void> {
  say('Head office renames a product while the shop changes its price.');
  office.change('product', PRODUCTS.disjoint, { name: RENAMED.json });
  await changePrice(stage, PRODUCTS.disjoint, '31500.50');
  say('Both change the price of another one.');
  office.change('product', PRODUCTS.clash, { price: DICTATED });
  await changePrice(stage, PRODUCTS.clash, '35500.00');
  say('One customer is deleted there and edited here, another one deleted here and edited there.');
  await deleteAndEdit(stage, office, cast);
  say('Goods are received at head office while the shop sells from them.');
  await stage.till.sellOne(PRODUCTS.stock);
  const { rows } = await stage.owner.query<{ received: string }>('SELECT ($1::numeric + 10.000)::text AS received', [
    office.value('stock', PRODUCTS.stock, 'quantity'),
  ]);
  office.change('stock', PRODUCTS.stock, { quantity: rows[0]?.received ?? '' });
}

/**
 * What both sides hold once all has met: different columns of one row both stay, head office has the last word on prices, the
 * newer edit of a customer wins whichever side deleted, goods received and goods sold both count.
 * @param stage with a till that rests
 */
export async function expectedOf({ owner }: Stage, { kept, returning }: Cast): Promise<Expected[]> {
  const price = await shopValue(owner, { ...PRODUCT, column: 'price' }, PRODUCTS.disjoint);
  const { rows } = await owner.query<{ both: string }>(
    'SELECT (quantity + 10.000)::text AS both FROM stock WHERE product_id = $1',
    [PRODUCTS.stock],
  );
  return [
    { ...PRODUCT, entity_id: PRODUCTS.disjoint, column: 'name', value: RENAMED.text },
    { ...PRODUCT, entity_id: PRODUCTS.disjoint, column: 'price', value: price },
    { ...PRODUCT, entity_id: PRODUCTS.clash, column: 'price', value: DICTATED },
    { ...CUSTOMER, entity_id: kept, column: 'phone', value: PHONES.shop },
    { ...CUSTOMER, entity_id: returning, column: 'phone', value: PHONES.office },
    { ...STOCK, entity_id: PRODUCTS.stock, column: 'quantity', value: rows[0]?.both ?? null },
  ];
}

async function changePrice({ till }: Stage, product: string, price: string): Promise<void> {
  await till.commit(async (note, client) => {
    await client.query('UPDATE products SET price = $2, updated_at = clock_timestamp() WHERE id = $1', [
      product,
      price,
    ]);
    note('update', 'product', product);
  });
}

async function deleteAndEdit({ till }: Stage, office: Office, { kept, returning }: Cast): Promise<void> {
  const at = (ms: number) => new Date(Date.now() + ms).toISOString();
  office.remove('customer', kept, at(-MINUTE_MS));
  office.change('customer', returning, { phone: JSON.stringify(PHONES.office) }, at(MINUTE_MS));
  await till.commit(async (note, client) => {
    await client.query('UPDATE customers SET phone = $2 WHERE id = $1', [kept, PHONES.shop]);
    note('update', 'customer', kept);
    await client.query('DELETE FROM customers WHERE id = $1', [returning]);
    note('delete', 'customer', returning);
  });
}
