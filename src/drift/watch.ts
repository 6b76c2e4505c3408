/**
 * The chore that watches for drift: looks, compares, writes down in syncd.capture what has changed, and tells the log once. Where
 * changes may have gone by uncaptured and that is over, by an install or by hand, it asks for the table to be compared. A trigger
 * that was switched off and on again between two looks is known by its mark (drift/marks). A crash between the two leaves the finding as it
 * was, so that the next look does both again.
 */
import { sql } from 'kysely';
import { generatorMark } from '../capture/generator-mark.js';
import type { Settings } from '../config/settings.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import type { Log } from '../log.js';
import type { Chore } from '../ops/chores.js';
import { requestReconcile } from '../walk/request.js';
import { compare } from './compare.js';
import { type Drift, driftOf } from './kinds.js';
import { type Looked, lookForDrift } from './look.js';
import { alteredSince } from './marks.js';

export type DriftDeps = {
  db: Db;
  settings: Pick<Settings, 'entities' | 'capture'>;
  log: Log;
  /** Told when an entity begins or ceases to wait. */
  onHolds: () => void;
};

/** Two looks fit into the minute in which it has to be noticed. */
const EVERY_MS = 30_000;

type Seen = { table: Looked['tables'][number]; drift: Drift | null };

export function createDriftWatch(deps: DriftDeps): Chore {
  return {
    name: 'drift',
    everyMs: EVERY_MS,
    run: async () => {
      await watchOnce(deps);
      return false;
    },
  };
}

/**
 * Compares all captured tables with what install recorded. What is news is written down and told; where changes may have gone by
 * uncaptured and that is over, a walk is asked for.
 */
export async function watchOnce(deps: DriftDeps): Promise<void> {
  const { db, settings, log } = deps;
  const generator = generatorMark(settings.capture);
  const { tables, replicas } = await lookForDrift(db, settings);
  const seen = tables.map((table): Seen => {
    const drift = driftOf(compare(table, { generator, replicas }), table.direction);
    return { table, drift };
  });
  const changed = seen.filter(({ table, drift }) => differs(table, drift));
  if (changed.length === 0) return;
  await db.transaction().execute(async (trx) => {
    await writeDown(trx, changed);
    for (const one of changed) {
      const cause = gapOf(one);
      if (cause !== undefined) await requestReconcile(trx, [one.table.entity_type], cause, 'syncd');
    }
  });
  for (const one of changed) tell(log, one);
  if (changed.some(({ table: { known }, drift }) => holds(known) !== holds(drift))) deps.onHolds();
}

function differs({ known, marks }: Seen['table'], drift: Drift | null): boolean {
  return (
    known.text !== (drift?.text ?? null) ||
    known.hint !== (drift?.hint ?? null) ||
    known.misses !== (drift?.misses ?? false) ||
    holds(known) !== holds(drift) ||
    known.marks !== marks
  );
}

const holds = (drift: Pick<Drift, 'holdsPush' | 'holdsApply'> | null): string =>
  `${drift?.holdsPush ?? false} ${drift?.holdsApply ?? false}`;

/** Why changes may have gone by that nobody captured, where that is over. */
function gapOf({ table, drift }: Seen): string | undefined {
  const { known, marks, direction, suspended } = table;
  if (drift?.misses || suspended || direction === 'pull') return undefined;
  if (known.misses) return `drift: ${known.text}`;
  const altered = alteredSince(known.marks, marks);
  return altered && `drift: ${altered} ${table.table} were altered meanwhile`;
}

async function writeDown(db: Db, changed: Seen[]): Promise<void> {
  const texts = (value: (one: Seen) => string | null) => sql`${arrayLiteral(changed.map(value))}::text[]`;
  const flags = (value: (one: Seen) => boolean) => sql`${arrayLiteral(changed.map(value))}::boolean[]`;
  await sql`
    UPDATE syncd.capture c
    SET drift = d.drift, drift_kind = d.kind, drift_hint = d.hint, drift_misses = d.misses, holds_push = d.holds_push,
        holds_apply = d.holds_apply, trigger_marks = d.marks,
        drift_at = CASE WHEN d.kind IS NULL THEN NULL WHEN d.kind = c.drift_kind THEN c.drift_at ELSE clock_timestamp() END
    FROM unnest(${texts(({ table }) => table.entity_type)}, ${texts(({ drift }) => drift?.text ?? null)},
                ${texts(({ drift }) => drift?.kind ?? null)}, ${texts(({ drift }) => drift?.hint ?? null)},
                ${flags(({ drift }) => drift?.misses ?? false)}, ${flags(({ drift }) => drift?.holdsPush ?? false)},
                ${flags(({ drift }) => drift?.holdsApply ?? false)}, ${texts(({ table }) => table.marks)})
         AS d (entity_type, drift, kind, hint, misses, holds_push, holds_apply, marks)
    WHERE c.entity_type = d.entity_type`.execute(db);
}

function tell(log: Log, { table: { entity_type, known }, drift }: Seen): void {
  if ((drift?.text ?? null) === known.text) return;
  const name = `drift ${entity_type}`;
  if (drift) log.warn(drift.text, { trouble: name, entity_type, repair: drift.hint });
  else log.info('the table is as it was installed', { recovered: name, entity_type });
}
