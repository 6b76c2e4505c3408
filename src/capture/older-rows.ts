/**
 * Whether the shop sold before syncd came. Rows that were there before capture go nowhere by themselves, and `syncd status` must not
 * call everything safe while nobody has asked for them.
 */
import type pg from 'pg';
import { hasMoved, hasReturned } from './moved.js';
import { literal, qualified } from './names.js';
import type { EntityPlan } from './plan.js';
import type { State } from './state.js';
import type { Step } from './step.js';

const READABLE_AND_SIZE = `SELECT has_table_privilege($1::oid, 'SELECT') AND NOT row_security_active($1::oid) AS readable,
  (SELECT bool_or(pg_relation_size(member) > 0) FROM unnest($2::oid[]) AS member) AS sized`;

/** The entities whose tables are captured from now on for the first time, and that send. */
export function capturedAnew(entities: readonly EntityPlan[], state: State): EntityPlan[] {
  const known = new Set(state.captures.map(({ entity_type }) => entity_type));
  return entities.filter(
    (plan) =>
      plan.direction !== 'pull' && (!known.has(plan.entity) || hasMoved(plan, state)) && !hasReturned(plan, state),
  );
}

/** Those that hold rows. A table that its installer may not read is told by its size: there, deleted rows count until a vacuum. */
export async function withRows(client: pg.Client, entities: readonly EntityPlan[]): Promise<string[]> {
  const filled: string[] = [];
  for (const { entity, root, members } of entities) {
    const { rows: known } = await client.query<{ readable: boolean; sized: boolean }>(READABLE_AND_SIZE, [
      root.oid,
      members.map(({ oid }) => oid),
    ]);
    const filledBy = known[0]?.readable
      ? (await client.query(`SELECT FROM ${qualified(root.schema, root.name)} LIMIT 1`)).rowCount !== 0
      : known[0]?.sized === true;
    if (filledBy) filled.push(entity);
  }
  return filled;
}

/**
 * Capture takes it that there are older rows; this takes it back where there are none. Looked at after the triggers stand: a sale
 * in between is captured and counts as old, which costs a needless backfill, and no crash forgets a row.
 */
export function nothingBefore(entities: readonly EntityPlan[], filled: readonly string[]): Step[] {
  const empty = entities.map(({ entity }) => entity).filter((entity) => !filled.includes(entity));
  if (empty.length === 0) return [];
  return [
    {
      about: `no rows from before: ${empty.join(', ')}`,
      asOwner: true,
      statements: [
        `UPDATE syncd.capture SET older_rows = false WHERE entity_type IN (${empty.map(literal).join(', ')})`,
      ],
    },
  ];
}
