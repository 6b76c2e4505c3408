/** Finds out how entities stand here: the look that decides, under the locks and with a snapshot of its own. */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import type { Local, Pending } from './decide.js';
import { compared, matches, type Source, sameImage } from './rows.js';
import type { AppliedTable } from './tables.js';

/** What the first look saw: fresh changes of the entities concerned. All others lie above `above`. */
export type Ahead = { ids: readonly string[]; above: string };

export type Looked = Omit<Local, 'locked' | 'equal' | 'copyOnly'> & { entity_id: string };

/** What is out of the ordinary about one entity. */
type Odd = {
  place: number;
  conflict: string | null;
  fresh: Pending | null;
  fresh_id: string | null;
  held: Pending | null;
  held_id: string | null;
  due: boolean | null;
  holding: boolean | null;
  /** Put off by a hold: what a doubtful answer was about is held, too. */
  holds: boolean | null;
  failed: boolean | null;
  /** Of those that are held back, how many may go again. */
  waiting: number | null;
};
/** Bits of what is common: the row is there; an agreement is known; it is one about a deletion. */
const [PRESENT, KNOWN, DELETED] = [1, 2, 4];
type Common = { places: string | null; versions: string; bits: string; odd: string | null };

/** Conflicts, and changes that are held back, are looked for one entity after the other only where there are any at all. */
export async function lookAt(
  trx: Db,
  table: AppliedTable,
  entityIds: readonly string[],
  ahead: Ahead,
): Promise<Looked[]> {
  const fresh = (where: ReturnType<typeof sql>) => sql`
    SELECT q.id, q.entity_id, q.operation FROM syncd.sync_queue q
    WHERE q.status = 'pending' AND q.next_attempt_at IS NULL AND ${where} AND q.entity_type = ${table.entity}`;
  const { rows } = await sql<Common>`
    WITH fresh AS MATERIALIZED (
      SELECT DISTINCT ON (entity_id) entity_id, id, operation FROM (
        ${fresh(sql`q.id > ${ahead.above}::bigint`)}
        UNION ALL ${fresh(sql`q.id = ANY (${arrayLiteral(ahead.ids)}::bigint[])`)}) AS one
      ORDER BY entity_id, id DESC
    ), trouble AS MATERIALIZED (
      SELECT EXISTS (SELECT FROM syncd.sync_conflicts WHERE status = 'open') AS conflicts, EXISTS (
        SELECT FROM syncd.sync_queue WHERE status IN ('failed', 'conflict') OR next_attempt_at IS NOT NULL) AS held
    )
    SELECT string_agg(s.place::text, ',') AS places, string_agg(coalesce(e.cloud_version, ''), ',') AS versions,
           string_agg((CASE WHEN t.present THEN ${PRESENT}::int ELSE 0 END + CASE WHEN e.known THEN ${KNOWN}::int ELSE 0 END
                       + CASE WHEN e.deleted THEN ${DELETED}::int ELSE 0 END)::text, '') AS bits,
           (json_agg(json_build_object('place', s.place, 'conflict', c.cloud_version, 'fresh', f.operation, 'fresh_id', f.id::text,
                                       'held', h.operation, 'held_id', h.id::text, 'due', h.due, 'holding', h.holding,
                                       'holds', h.holds, 'failed', h.failed, 'waiting', h.waiting))
            FILTER (WHERE c.cloud_version IS NOT NULL OR f.id IS NOT NULL OR h.id IS NOT NULL))::text AS odd
    FROM unnest(${arrayLiteral(entityIds)}::text[]) WITH ORDINALITY AS s (entity_id, place)
    LEFT JOIN LATERAL (SELECT true AS present FROM ${sql.raw(table.table)} AS t WHERE ${matches(table)} LIMIT 1) t ON true
    LEFT JOIN LATERAL (
      SELECT true AS known, cloud_version::text AS cloud_version, deleted FROM syncd.entity_state
      WHERE entity_id = s.entity_id AND entity_type = ${table.entity} OFFSET 0) e ON true
    LEFT JOIN LATERAL (
      SELECT max(cloud_version)::text AS cloud_version FROM syncd.sync_conflicts
      WHERE (SELECT conflicts FROM trouble) AND entity_type = ${table.entity} AND entity_id = s.entity_id AND status = 'open') c ON true
    LEFT JOIN LATERAL (
      SELECT (array_agg(operation ORDER BY id DESC))[1] AS operation, max(id) AS id,
             bool_or(status = 'pending' AND next_attempt_at <= clock_timestamp()) AS due,
             bool_or(status = 'conflict' OR (status = 'pending' AND next_attempt_at > clock_timestamp())) AS holding,
             bool_or(status = 'pending' AND hold_count > 0) AS holds, bool_or(status = 'failed') AS failed,
             count(*) FILTER (WHERE status = 'pending') AS waiting
      FROM syncd.sync_queue
      WHERE (SELECT held FROM trouble) AND entity_type = ${table.entity} AND entity_id = s.entity_id
        AND (status IN ('failed', 'conflict') OR next_attempt_at IS NOT NULL) AND status <> 'synced') h ON true
    LEFT JOIN fresh f ON f.entity_id = s.entity_id`.execute(trx);
  const { places, versions: all, bits: digits, odd } = rows[0] as Common;
  if (places === null) return [];
  const oddities = new Map((JSON.parse(odd ?? '[]') as Odd[]).map((one) => [one.place, one]));
  const versions = all.split(',');
  return places.split(',').map((text, n) => {
    const place = Number(text);
    const bits = Number(digits[n]);
    const cloud_version = versions[n] || null;
    const one = oddities.get(place);
    return {
      entity_id: entityIds[place - 1] as string,
      present: (bits & PRESENT) !== 0,
      state: bits & KNOWN ? { cloud_version, deleted: (bits & DELETED) !== 0 } : undefined,
      conflict: one?.conflict ?? undefined,
      pending: one && pendingOf(one),
      // What waits behind a change that was put off waits here too; behind a failed one it goes out as its correction.
      inFlight:
        one !== undefined &&
        (one.due === true || (one.fresh !== null && one.holding !== true) || isInDoubt(one, table)),
    };
  });
}

/**
 * Something of it is put off, and still the cloud may have applied some of it: the answer was no clear one, or the refused change
 * contained others, of which one may have arrived unheard. Before its next answer the push asks for them.
 */
function isInDoubt({ holds, failed, fresh, waiting }: Odd, { coalesce }: AppliedTable): boolean {
  if (holds === true) return true;
  return (failed === true || coalesce) && (waiting ?? 0) + (fresh === null ? 0 : 1) > 1;
}

/** The newest of both kinds. */
function pendingOf({ fresh, fresh_id, held, held_id }: Odd): Pending | undefined {
  return (Number(fresh_id ?? -1) > Number(held_id ?? -1) ? fresh : held) ?? undefined;
}

/** Of rows without an agreement: those that the data would leave as they are, `local` columns aside. */
export async function equalRows(trx: Db, table: AppliedTable, source: Source): Promise<Set<string>> {
  const { rows } = await sql<{ entity_id: string }>`
    SELECT s.entity_id FROM (${source}) AS s CROSS JOIN LATERAL (${compared(table)}) AS now
    WHERE ${sameImage(table)}`.execute(trx);
  return new Set(rows.map((row) => row.entity_id));
}
