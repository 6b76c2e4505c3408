/**
 * The POS's own database: a coffee shop's tables as somebody else could have made them, without a thought of syncd. They mix
 * what a real till mixes: uuid, bigint and composite keys, cascades, exact money, a generated column, jsonb, a number beyond
 * 2^53. The role `pos` may sell and nothing more, so the demo also shows that the POS needs no right of ours.
 */
import type { References } from '../cloud/references.js';
import type { ComparedTable } from '../compare.js';

export const POS_ROLE = 'pos';

export const SHOP_SCHEMA = `
CREATE TABLE products (
  id bigint PRIMARY KEY,
  sku text NOT NULL UNIQUE,
  name text NOT NULL,
  category text NOT NULL,
  price numeric(12,2) NOT NULL CHECK (price >= 0),
  options jsonb NOT NULL DEFAULT '{}',
  active boolean NOT NULL DEFAULT true,
  updated_at timestamptz NOT NULL
);
CREATE TABLE stock (
  product_id bigint PRIMARY KEY REFERENCES products,
  quantity numeric(12,3) NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE TABLE customers (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  phone text NOT NULL,
  points integer NOT NULL DEFAULT 0,
  birthday date,
  created_at timestamptz NOT NULL
);
CREATE TABLE orders (
  id uuid PRIMARY KEY,
  number text NOT NULL UNIQUE,
  customer_id uuid REFERENCES customers ON DELETE SET NULL,
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'paid', 'cancelled')),
  total numeric(14,2) NOT NULL DEFAULT 0,
  note text,
  opened_at timestamptz NOT NULL,
  paid_at timestamptz
);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE TABLE order_items (
  order_id uuid NOT NULL REFERENCES orders ON DELETE CASCADE,
  line smallint NOT NULL,
  product_id bigint NOT NULL REFERENCES products,
  quantity integer NOT NULL CHECK (quantity > 0),
  price numeric(12,2) NOT NULL,
  subtotal numeric(14,2) GENERATED ALWAYS AS (quantity * price) STORED,
  choices jsonb,
  PRIMARY KEY (order_id, line)
);
CREATE TABLE payments (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id uuid NOT NULL REFERENCES orders,
  method text NOT NULL,
  amount numeric(14,2) NOT NULL,
  tendered numeric(14,2) NOT NULL,
  trace bigint,
  paid_at timestamptz NOT NULL
);
CREATE INDEX payments_order ON payments (order_id);
CREATE ROLE ${POS_ROLE} LOGIN;
GRANT SELECT, INSERT, UPDATE, DELETE ON products, stock, customers, orders, order_items, payments TO ${POS_ROLE};
`;

/** The tables as syncd.yaml names them, parents first. */
export const SHOP_ENTITIES: ComparedTable[] = [
  { entity_type: 'product', table: 'public.products', keys: ['id'] },
  { entity_type: 'stock', table: 'public.stock', keys: ['product_id'] },
  { entity_type: 'customer', table: 'public.customers', keys: ['id'] },
  { entity_type: 'order', table: 'public.orders', keys: ['id'] },
  { entity_type: 'order_item', table: 'public.order_items', keys: ['order_id', 'line'] },
  { entity_type: 'payment', table: 'public.payments', keys: ['id'] },
];

/** The foreign keys, as head office knows them. */
export const SHOP_REFERENCES: References = {
  stock: [{ columns: ['product_id'], type: 'product' }],
  order: [{ columns: ['customer_id'], type: 'customer' }],
  order_item: [
    { columns: ['order_id'], type: 'order' },
    { columns: ['product_id'], type: 'product' },
  ],
  payment: [{ columns: ['order_id'], type: 'order' }],
};

/** The types that head office shares among its outlets; everything else belongs to the outlet. */
export const SHARED_TYPES = ['product', 'customer'];

/** What head office has a hand in, and how a divergence is settled; as it stands in syncd.yaml. */
const BOTH_WAYS: Record<string, string> = {
  product: 'direction: both, conflict: merge, merge_fallback: cloud_wins, local: [updated_at]',
  stock: 'direction: both, conflict: merge, delta: [quantity], coalesce: true, local: [updated_at]',
  customer: 'direction: both, conflict: newest_wins',
};

/** The same tables where head office edits too. */
export const TWO_WAY_ENTITIES: ComparedTable[] = SHOP_ENTITIES.map((table) => {
  const options = BOTH_WAYS[table.entity_type] ?? '';
  return {
    ...table,
    pulled: options !== '',
    coalesced: options.includes('coalesce: true'),
    local: options.includes('local: [updated_at]') ? ['updated_at'] : [],
  };
});

/** What is only pushed, by the days that it is compared with the cloud by. */
const ONE_WAY: Record<string, string> = {
  order: 'direction: push, date_field: opened_at',
  payment: 'direction: push, date_field: paid_at, money_field: amount',
};

/** The lines under `entities:`; everything is pushed, and where it goes both ways, pulled. */
export function entityLines(tables: ComparedTable[]): string {
  return tables
    .map(({ entity_type, table, pulled }) => {
      const options = pulled ? BOTH_WAYS[entity_type] : (ONE_WAY[entity_type] ?? 'direction: push');
      return `  ${entity_type}: { table: ${table}, ${options} }`;
    })
    .join('\n');
}
