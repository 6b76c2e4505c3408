/**
 * A database that somebody else made, described as syncd and the comparison need it: every table with a primary key, its
 * partitions, its foreign keys. Read from the catalogue, so the trial takes whatever release of the sample it is given.
 */
import type pg from 'pg';
import type { References } from '../../src/demo/cloud/references.js';
import type { ComparedTable } from '../../src/demo/compare.js';

export type ForeignTable = ComparedTable & { leaves: string[] };

/** Tables of schema public that are no partition; `excluded` columns by table. @throws Error for a table without a key. */
export async function describeTables(client: pg.Client, excluded: Record<string, string[]>): Promise<ForeignTable[]> {
  const { rows } = await client.query<{ name: string; keys: string[] | null; leaves: string[] | null }>(`
    SELECT c.relname AS name,
      (SELECT array_agg(a.attname::text ORDER BY k.place) FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(attnum, place), pg_attribute a
       WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.attnum) AS keys,
      (SELECT array_agg(t.relid::regclass::text) FROM pg_partition_tree(c.oid) t WHERE t.isleaf AND t.relid <> c.oid) AS leaves
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1`);
  return rows.map(({ name, keys, leaves }) => {
    if (!keys) throw new Error(`${name} has no primary key`);
    const table = { entity_type: name, table: `public.${name}`, keys, leaves: leaves ?? [] };
    return { ...table, excluded: excluded[name] ?? [] };
  });
}

/** The foreign keys that the tables declare themselves. */
export async function describeReferences(client: pg.Client): Promise<References> {
  const { rows } = await client.query<{ child: string; parent: string; columns: string[] }>(`
    SELECT f.conrelid::regclass::text AS child, f.confrelid::regclass::text AS parent,
      (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(f.conkey) WITH ORDINALITY k(attnum, place), pg_attribute a
       WHERE a.attrelid = f.conrelid AND a.attnum = k.attnum) AS columns
    FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid
    WHERE f.contype = 'f' AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition`);
  const references: Record<string, { columns: string[]; type: string }[]> = {};
  for (const { child, parent, columns } of rows) {
    const list = references[child] ?? [];
    references[child] = [...list, { columns, type: parent }];
  }
  return references;
}

/** The tables and partitions whose rows PostgreSQL writes; a partition's are its root's. */
export function writtenTables(tables: ForeignTable[]): ComparedTable[] {
  return tables.flatMap((table) =>
    table.leaves.length === 0 ? [table] : table.leaves.map((leaf) => ({ ...table, table: `public.${leaf}` })),
  );
}
