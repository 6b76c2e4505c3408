-- The coffee shop that every measurement sells in: real column names, rupiah amounts, uuid and bigint keys, and enough
-- products that two tills seldom want the same stock row. The tills sell the first 5,000; the rest are there for A5.
CREATE TABLE products (
  id         bigint PRIMARY KEY,
  sku        text NOT NULL UNIQUE,
  name       text NOT NULL,
  category   text NOT NULL,
  price      numeric(14,2) NOT NULL,
  is_active  boolean NOT NULL DEFAULT true,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE stock (
  product_id    bigint PRIMARY KEY REFERENCES products,
  qty           integer NOT NULL,
  reorder_level integer NOT NULL DEFAULT 10,
  updated_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE TABLE orders (
  id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  order_number text NOT NULL,
  customer_id  bigint,
  cashier      text NOT NULL,
  table_number integer,
  status       text NOT NULL,
  subtotal     numeric(14,2) NOT NULL,
  tax          numeric(14,2) NOT NULL,
  total        numeric(14,2) NOT NULL,
  note         text,
  paid_at      timestamptz,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE order_items (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id     uuid NOT NULL REFERENCES orders,
  product_id   bigint NOT NULL REFERENCES products,
  product_name text NOT NULL,
  qty          integer NOT NULL,
  unit_price   numeric(14,2) NOT NULL,
  line_total   numeric(14,2) NOT NULL,
  note         text
);
CREATE INDEX order_items_order ON order_items (order_id);
CREATE TABLE payments (
  id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  order_id  uuid NOT NULL REFERENCES orders,
  method    text NOT NULL,
  amount    numeric(14,2) NOT NULL,
  reference text,
  paid_at   timestamptz NOT NULL DEFAULT now()
);

INSERT INTO products (id, sku, name, category, price)
SELECT n, 'SKU-' || lpad(n::text, 6, '0'),
       (ARRAY['Kopi Susu Gula Aren', 'Es Teh Manis', 'Nasi Goreng Kampung', 'Roti Bakar Coklat', 'Americano', 'Pisang Goreng Keju',
              'Soto Ayam Lamongan', 'Es Jeruk Peras', 'Mie Ayam Bakso', 'Kentang Goreng', 'Matcha Latte'])[1 + n % 11]
         || ' ' || (ARRAY['Kecil', 'Sedang', 'Besar', 'Spesial', 'Pedas', 'Tanpa Gula', 'Ekstra Keju'])[1 + n % 7]
         || (ARRAY['', ' Bawa Pulang', ' Promo Akhir Pekan', ' 2 Porsi'])[1 + n % 4],
       (ARRAY['minuman', 'makanan', 'camilan'])[1 + n % 3], 8000 + 500 * (n % 90)
FROM generate_series(1, 100000) n;
INSERT INTO stock (product_id, qty) SELECT id, 1000000 FROM products;
