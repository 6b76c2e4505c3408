/**
 * Rows whose parent is not here. A chunk that a foreign key refused is asked which of its rows those are, and for whom each waits;
 * the others are then applied without them. The parent usually comes with the next page; if it stays away it is fetched.
 */
import { sql } from 'kysely';
import { keyText } from '../capture/expressions.js';
import { identifier } from '../capture/names.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { record } from './rows.js';
import type { AppliedTable, AppliedTables, Reference } from './tables.js';
import type { Work } from './work.js';

/** More parents than these are not fetched one by one at a time: whoever lacks that many is missing a whole page. */
const MOST_HINTS = 100;

export type Orphan = { id: string; parent: { entity_type: string; entity_id: string } };

/** Those of the work whose parent is neither in its table nor in the work itself. */
export async function findOrphans(db: Db, tables: AppliedTables, work: readonly Work[]): Promise<Orphan[]> {
  const coming = new Set(
    work
      .filter(({ incoming }) => incoming.operation !== 'delete')
      .map(({ table, incoming }) => `${table.entity}\n${incoming.entity_id}`),
  );
  const orphans = new Map<string, Orphan>();
  for (const table of new Set(work.map((one) => one.table))) {
    const ids = work
      .filter((one) => one.table === table && one.incoming.operation !== 'delete')
      .map((one) => one.incoming.id);
    for (const reference of table.references) {
      const parent = tables.get(reference.parent);
      if (!parent || ids.length === 0 || !namesParent(reference, parent)) continue;
      for (const { id, parent_id } of await withoutParent(db, table, reference, parent, ids)) {
        if (coming.has(`${parent.entity}\n${parent_id}`)) continue;
        orphans.set(id, { id, parent: { entity_type: parent.entity, entity_id: parent_id } });
      }
    }
  }
  return [...orphans.values()];
}

/** The foreign key points to the columns that name the parent as an entity. */
function namesParent(reference: Reference, parent: AppliedTable): boolean {
  return (
    reference.parentColumns.length === parent.keys.length &&
    parent.keys.every(({ name }) => reference.parentColumns.includes(name))
  );
}

async function withoutParent(
  db: Db,
  table: AppliedTable,
  reference: Reference,
  parent: AppliedTable,
  ids: readonly string[],
): Promise<{ id: string; parent_id: string }[]> {
  // The parent's key, in its order, by the names of the child's columns.
  const keys = parent.keys.map((key) => ({
    ...key,
    name: reference.columns[reference.parentColumns.indexOf(key.name)] as string,
  }));
  const columns = table.columns.filter((column) => reference.columns.includes(column.name));
  const same = parent.keys.map(
    ({ name, equals }, place) =>
      `t.${identifier(name)} ${equals} n.${identifier((keys[place] as { name: string }).name)}`,
  );
  const given = keys.map(({ name }) => `n.${identifier(name)} IS NOT NULL`);
  const { rows } = await sql<{ id: string; parent_id: string }>`
    SELECT s.id::text AS id, ${sql.raw(keyText({ keys }, 'n'))} AS parent_id
    FROM (SELECT i.id, i.data FROM syncd.incoming i WHERE i.id = ANY (${arrayLiteral(ids)}::bigint[])) AS s
    CROSS JOIN LATERAL ${record(table, columns)}
    WHERE ${sql.raw(given.join(' AND '))}
      AND NOT EXISTS (SELECT FROM ${sql.raw(parent.table)} AS t WHERE ${sql.raw(same.join(' AND '))})`.execute(db);
  return rows;
}

/**
 * Asks for parents that stay away: leaves a hint for each, unless something of it is on its way already.
 * @param after how often a child must have waited in vain before
 */
export async function askForParents(db: Db, orphans: readonly Orphan[], after: number): Promise<void> {
  // Read by its indexes, one for what is in trouble and one for what has just come: beside 200,000 parked children each chunk of
  // them read the whole table twice. A FULL JOIN can be no nested loop.
  await sql`
    WITH room AS MATERIALIZED (
      SELECT ${MOST_HINTS}::bigint - count(*) AS hints FROM syncd.incoming WHERE operation = 'hint'
    ), wanted AS MATERIALIZED (
      SELECT DISTINCT ON (o.entity_type, o.entity_id) i.inbox_id, o.entity_type, o.entity_id
      FROM unnest(${arrayLiteral(orphans.map((one) => one.id))}::bigint[], ${arrayLiteral(orphans.map((one) => one.parent.entity_type))}::text[],
                  ${arrayLiteral(orphans.map((one) => one.parent.entity_id))}::text[]) AS o (id, entity_type, entity_id)
      JOIN syncd.incoming i ON i.id = o.id AND i.attempts > ${after}
      WHERE (SELECT hints > 0 FROM room) AND NOT EXISTS (
        SELECT FROM syncd.incoming p WHERE p.entity_type = o.entity_type AND p.entity_id = o.entity_id
          AND (p.status = 'parked' OR p.next_attempt_at IS NOT NULL) OFFSET 0)
    ), coming AS MATERIALIZED (
      SELECT entity_type, entity_id, true AS here FROM syncd.incoming
      WHERE status = 'waiting' AND next_attempt_at IS NULL AND (SELECT EXISTS (SELECT FROM wanted))
    )
    INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation)
    SELECT w.inbox_id, 'fetch', w.entity_type, w.entity_id, 'hint'
    FROM wanted w FULL JOIN coming c ON c.entity_type = w.entity_type AND c.entity_id = w.entity_id
    WHERE CASE WHEN w.inbox_id IS NULL OR c.here THEN false ELSE true END
    LIMIT greatest(0, (SELECT hints FROM room))`.execute(db);
}
