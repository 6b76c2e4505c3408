/**
 * The brake on a conflict that comes back. A rule that keeps the shop's side sends a change on top of the version that it saw; a
 * cloud that answers each one with yet another version would keep that going round 40 times a second (measured), for ever. So after
 * a few rounds the next change waits, each time twice as long: a race for a busy row is still won, and a cloud that counts wrongly
 * is not flooded. Nothing is kept in memory: the rounds are counted in what is on record, up to the last change that was accepted.
 */
import { sql } from 'kysely';
import { roundDelayMs } from '../cloud/backoff.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import type { Conflict } from './sides.js';

export type Brake = { waitMs: number; reason: string };

/**
 * How long what comes of the conflict waits before it goes out; undefined: not at all.
 * @param rounds pushes in a row that ran into a conflict, this one included
 * @param longestMs no wait is longer
 */
export function brakeAfter(rounds: number, longestMs: number): Brake | undefined {
  const waitMs = roundDelayMs(rounds, longestMs);
  if (waitMs === 0) return undefined;
  return { waitMs, reason: `${rounds} conflicts in a row: the cloud answers with a newer version each time` };
}

/**
 * Pushes of this entity that ran into a conflict since one was accepted.
 * @param names every unsettled change of the entity, and what these supersede: an accepted one leaves no name behind
 */
export async function roundsInARow(
  trx: Db,
  { id, entity_type, entity_id }: Conflict,
  names: readonly string[],
): Promise<number> {
  const { rows } = await sql<{ rounds: number }>`
    SELECT pg_catalog.count(*)::int AS rounds FROM syncd.sync_conflicts
    WHERE entity_type = ${entity_type} AND entity_id = ${entity_id} AND source = 'push'
      AND (id = ${id}::bigint OR resolved_change_id = ANY (${arrayLiteral([...names])}::uuid[]))`.execute(trx);
  return rows[0]?.rounds ?? 0;
}
