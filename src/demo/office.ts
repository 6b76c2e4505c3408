/**
 * Head office's hands: what it changes in the cloud, and how one looks whether both sides hold the same. Every value is text, in
 * the cloud's JSON and in PostgreSQL's, so that no digit is lost on the way.
 */
import type pg from 'pg';
import type { ReferenceCloud } from './cloud/reference-cloud.js';
import { scalarOf } from './cloud/text.js';
import { OUTLET } from './stage.js';

/** One value that both sides are to hold; null: the row is gone. */
export type Expected = {
  entity_type: string;
  entity_id: string;
  table: string;
  key: string;
  column: string;
  value: string | null;
};

export class Office {
  readonly #cloud: ReferenceCloud;

  constructor(cloud: ReferenceCloud) {
    this.#cloud = cloud;
  }

  /** Lays columns over what the cloud holds. @param columns JSON text by name @param updatedAt missing: now */
  change(entity_type: string, entity_id: string, columns: Record<string, string>, updatedAt?: string): void {
    const members = Object.entries(columns).map(([name, value]) => `${JSON.stringify(name)}:${value}`);
    this.#cloud.edit({
      outlet_id: OUTLET,
      entity_type,
      entity_id,
      patch: `{${members.join(',')}}`,
      ...(updatedAt === undefined ? {} : { updated_at: updatedAt }),
    });
  }

  remove(entity_type: string, entity_id: string, updatedAt: string): void {
    this.#cloud.edit({ outlet_id: OUTLET, entity_type, entity_id, operation: 'delete', updated_at: updatedAt });
  }

  productsOnSale(): { id: string; name: string; price: string }[] {
    return this.#cloud.entities(OUTLET).flatMap(({ entity_type, entity_id, data }) => {
      if (entity_type !== 'product' || data === null) return [];
      return [{ id: entity_id, name: scalarOf(data, 'name') ?? entity_id, price: scalarOf(data, 'price') ?? '0' }];
    });
  }

  /** A value as the cloud holds it; null where the row is gone. @throws Error where it was never there */
  value(entity_type: string, entity_id: string, column: string): string | null {
    const held = this.#cloud
      .entities(OUTLET)
      .find((one) => one.entity_type === entity_type && one.entity_id === entity_id);
    if (held === undefined) throw new Error(`head office has never heard of ${entity_type} ${entity_id}`);
    return held.data === null ? null : scalarOf(held.data, column);
  }
}

/** A value as the shop holds it; null where the row is gone. */
export async function shopValue(
  client: pg.Client,
  { table, key, column }: Pick<Expected, 'table' | 'key' | 'column'>,
  id: string,
): Promise<string | null> {
  const { rows } = await client.query<{ value: string | null }>(
    `SELECT ${column}::text AS value FROM ${table} WHERE ${key}::text = $1`,
    [id],
  );
  return rows[0]?.value ?? null;
}

/** Whether both sides hold the expected value; what they hold instead where they do not. */
export async function differenceFrom(office: Office, client: pg.Client, expected: Expected): Promise<string | null> {
  const here = await shopValue(client, expected, expected.entity_id);
  const there = office.value(expected.entity_type, expected.entity_id, expected.column);
  if (here === expected.value && there === expected.value) return null;
  return `${expected.column} should be ${expected.value}; the shop has ${here}, the cloud ${there}`;
}
