/**
 * Mends what a comparison with the cloud has found. Agreements that the cloud does not keep are set to what it holds, and marked
 * so that a walk over the table queues the row as the shop has it, or its deletion; what the cloud has and the shop does not is
 * asked for. Both sides of a divergence are kept: where both changed, the push meets a conflict, which is settled as usual.
 *
 * One transaction: the agreements and the walk's request stand together, so that nothing is forgotten by a crash.
 */
import { sql } from 'kysely';
import type { CloudClient } from '../cloud/client.js';
import type { Direction } from '../config/settings.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { askForEntity } from '../inbox/ask.js';
import { requestReconcile } from '../walk/request.js';
import type { Difference } from './difference.js';
import { versionsThere } from './there.js';

export type Repaired = {
  /** Agreements that a walk looks at anew, and queues what it finds. */
  to_push: number;
  /** Asked of the cloud. */
  to_pull: number;
  /** Nothing can be done from here: a row that is only pulled, and that the cloud does not have; a row that the shop never had. */
  left: number;
};

/** `version`: what counts as agreed from then on; undefined: as before. */
export type Course = { how: 'push' | 'pull' | 'left'; version?: number | null };

/**
 * What is to be done about a difference. Pure.
 * @param restored the cloud's versions are of another history than ours: they tell which side is behind, and no more
 */
export function courseOf(
  direction: Direction,
  { kind, here, there, row, departed }: Difference,
  restored = false,
): Course {
  const pulled = direction === 'pull';
  // No row that could be sent, and nobody deleted it.
  if (departed) return { how: 'left' };
  switch (kind) {
    case 'missing_there':
      // A tombstone that is newer than what was agreed on is the cloud's own word: a rule settles it.
      if (there !== null && here !== null && there > here && !pulled) {
        if (restored) return { how: 'push', version: null };
        return { how: direction === 'push' ? 'push' : 'pull' };
      }
      // An older one counts as agreed; without one, whatever the cloud makes of it later is new.
      return { how: pulled ? 'left' : 'push', version: there };
    case 'older_there':
      // What is only pulled has to come again, though its version is a known one.
      return pulled ? { how: 'pull', version: null } : { how: 'push', version: there };
    case 'other_day':
      return pulled ? { how: 'pull', version: null } : { how: 'push' };
    case 'newer_there':
      // Both sides have had edits that the other one has not: without a base the push meets a conflict, and a rule settles it.
      if (restored && direction === 'both') return { how: 'push', version: null };
      return { how: direction === 'push' ? 'push' : 'pull' };
    case 'unknown_here':
      if (direction !== 'push') return { how: 'pull' };
      return { how: row ? 'push' : 'left' };
    default:
      return kind satisfies never;
  }
}

export type Repairs = {
  entity_type: string;
  direction: Direction;
  differences: readonly Difference[];
  who: string;
  cause: string;
  restored?: boolean;
};

/**
 * Writes the agreements and asks for the walk, to which a hash without its shape means that the row has to go again. An agreement
 * that has changed since it was compared is left as it is.
 * @param trx a transaction
 * @returns also the entities that are to be fetched: asking for them is the caller's, after the commit
 */
export async function agreeAnew(trx: Db, repairs: Repairs): Promise<{ repaired: Repaired; wanted: string[] }> {
  const { entity_type, direction, differences, who, cause, restored } = repairs;
  const all = differences.map((difference) => ({ ...difference, ...courseOf(direction, difference, restored) }));
  const touched = all.filter(({ how, version }) => how === 'push' || version !== undefined);
  await sql`
    UPDATE syncd.entity_state s
    SET cloud_version = CASE WHEN w.kept THEN s.cloud_version ELSE w.version END, cloud_id = CASE WHEN w.kept OR w.version IS NOT NULL THEN s.cloud_id END,
        deleted = s.deleted AND w.kept, row_hash = coalesce(s.row_hash, 0), row_shape = NULL
    FROM unnest(${arrayLiteral(touched.map(({ entity_id }) => entity_id))}::text[], ${arrayLiteral(touched.map(({ version }) => version ?? null))}::bigint[],
                ${arrayLiteral(touched.map(({ version }) => version === undefined))}::boolean[], ${arrayLiteral(touched.map(({ here }) => here))}::bigint[])
         AS w (entity_id, version, kept, seen)
    WHERE s.entity_type = ${entity_type} AND s.entity_id = w.entity_id
      AND CASE WHEN s.deleted THEN NULL ELSE s.cloud_version END IS NOT DISTINCT FROM w.seen`.execute(trx);
  const of = (wanted: Course['how']) => all.filter(({ how }) => how === wanted);
  if (of('push').length > 0) await requestReconcile(trx, [entity_type], cause, who);
  return {
    repaired: { to_push: of('push').length, to_pull: of('pull').length, left: of('left').length },
    wanted: of('pull').map(({ entity_id }) => entity_id),
  };
}

/**
 * What the cloud does not list may have a tombstone there, which a push has to name: an entity that was deleted once, and made anew
 * under the same key.
 */
export async function withTombstones<T extends Pick<Repairs, 'entity_type' | 'differences'>>(
  client: Pick<CloudClient, 'entityVersion'>,
  repairs: T,
): Promise<T> {
  const missing = repairs.differences.filter(({ kind }) => kind === 'missing_there').map(({ entity_id }) => entity_id);
  const versions = await versionsThere(client, repairs.entity_type, missing);
  const differences = repairs.differences.map((difference) =>
    difference.kind === 'missing_there'
      ? { ...difference, there: versions.get(difference.entity_id) ?? null }
      : difference,
  );
  return { ...repairs, differences };
}

/** Mends one type at once. @throws what Postgres says */
export async function repair(db: Db, repairs: Repairs): Promise<Repaired> {
  const { repaired, wanted } = await db.transaction().execute((trx) => agreeAnew(trx, repairs));
  for (const entity_id of wanted) await askForEntity(db, repairs.entity_type, entity_id, repairs.who);
  return repaired;
}
