/**
 * Drift as install sees it: which tables differ from what the last install wrote down, what has to be written down anew once the
 * triggers are right, and which tables have to be compared because changes may have gone by. A table that came back empty is no
 * matter for a comparison, which would delete everything in the cloud: it is marked as emptied, for a person to decide.
 */

import { sql } from 'kysely';
import { generatorMark } from '../capture/generator-mark.js';
import { literal } from '../capture/names.js';
import type { EntityObjects } from '../capture/objects.js';
import type { EntityPlan } from '../capture/plan.js';
import type { Step } from '../capture/step.js';
import type { Settings } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { rowsDiffer } from './columns.js';
import { compare } from './compare.js';
import { type Drift, type DriftKind, driftOf } from './kinds.js';
import { type Looked, lookForDrift, TABLE_NAMED } from './look.js';
import { alteredSince } from './marks.js';
import type { Observed } from './shape.js';

/** By entity type; an entity that was never recorded is not among them. */
export type Drifts = ReadonlyMap<string, Drifted>;
type Drifted = {
  drift: Drift | null;
  /** Why changes may have gone by uncaptured. */
  gap: string | undefined;
  /** The table may have come back empty. */
  recreated: boolean;
  /** It was captured before, and in between it was not. */
  returned?: boolean;
  /** What was sent before its columns were changed is in the cloud as it was then. */
  outgrown?: boolean;
};

/** What no install repairs: it is somebody's setting. */
const NOT_OURS: DriftKind[] = ['replica_role', 'policies'];

/**
 * @param db a connection of the same role; the schema must be this program's
 * @param plans of the entities that are captured from now on
 */
export async function readDrifts(db: Db, settings: Settings, plans: readonly EntityPlan[]): Promise<Drifts> {
  const { tables, replicas } = await lookForDrift(db, settings);
  const generator = generatorMark(settings.capture);
  const recorded = tables.filter((table) => table.recorded !== null);
  const sent = new Set(await haveSent(db));
  return new Map(
    recorded.map((table) => {
      const findings = compare(table, { generator, replicas }).filter(({ kind }) => !NOT_OURS.includes(kind));
      const drift = driftOf(findings, table.direction);
      const recreated = findings.some(({ kind }) => kind === 'recreated');
      const plan = plans.find(({ entity }) => entity === table.entity_type);
      const gap = gapOf(table, drift) ?? renamedRows(table, plan);
      const outgrown = gap === undefined && sent.has(table.entity_type) && outgrows(table, plan);
      return [table.entity_type, { drift: drift ?? leftOver(table), gap, recreated, outgrown }];
    }),
  );
}

/** The entities of which something was captured and was not deleted since. */
async function haveSent(db: Db): Promise<string[]> {
  const { rows } = await sql<{ entity_type: string }>`
    SELECT c.entity_type FROM syncd.capture c
    WHERE EXISTS (SELECT FROM syncd.entity_state s WHERE s.entity_type = c.entity_type AND NOT s.deleted)
       OR EXISTS (SELECT FROM syncd.unsettled u WHERE u.entity_type = c.entity_type)`.execute(db);
  return rows.map(({ entity_type }) => entity_type);
}

/** Another key gives every row another name: under the old ones the cloud has what is no more, as after a change of each key. */
function renamedRows({ keys, table }: Observed, plan: EntityPlan | undefined): string | undefined {
  const now = plan?.recipe.keys.map(({ name }) => name);
  if (now === undefined || plan?.direction === 'pull' || now.join() === keys.join()) return undefined;
  return `key: ${table} was known by ${keys.join(', ')} and is known by ${now.join(', ')}`;
}

function outgrows({ recorded, named, original, excluded }: Observed, plan: EntityPlan | undefined): boolean {
  const now = named ?? original;
  if (!plan || plan.direction === 'pull' || !recorded || !now) return false;
  return rowsDiffer(recorded, now, excluded, plan.recipe.excluded);
}

/** @param since when it was captured no more, as JSON has it */
export function returnedSince(since: string): Drifted {
  return { drift: null, gap: `it was not captured since ${since}`, recreated: true, returned: true };
}

/** What was found and has been put right by hand since. */
function leftOver({ known }: Looked['tables'][number]): Drift | null {
  const { kind, text, hint, misses, holdsPush, holdsApply } = known;
  return kind === null || text === null || NOT_OURS.includes(kind)
    ? null
    : { kind, text, hint: hint ?? '', misses, holdsPush, holdsApply };
}

function gapOf(
  { known, marks, configured, recorded, table }: Looked['tables'][number],
  drift: Drift | null,
): string | undefined {
  if (configured?.direction === 'pull') return undefined;
  // The record has no triggers until an install has come to its end: one that breaks off has the next one look as well.
  if (recorded?.members.every(({ triggers }) => triggers.length === 0)) return `direction: ${table} was only pulled`;
  if (drift?.misses) return `drift: ${drift.text}`;
  if (known.misses) return `drift: ${known.text}`;
  const altered = alteredSince(known.marks, marks);
  return altered && `drift: ${altered} ${table} were altered meanwhile`;
}

/**
 * What is left to do once every trigger is in its place.
 * @param touched entities whose functions, rights or triggers are made now
 */
export function recordSteps(
  all: readonly EntityObjects[],
  touched: ReadonlySet<string>,
  drifts: Drifts,
  settings: Settings,
): Step[] {
  const stale = all
    .map(({ plan }) => plan.entity)
    .filter((entity) => {
      const known = drifts.get(entity);
      return !known || known.drift !== null || known.gap !== undefined || touched.has(entity);
    });
  const steps: Step[] = [];
  for (const { plan } of all) {
    const { gap, recreated = false, returned = false, outgrown = false } = drifts.get(plan.entity) ?? {};
    const statements = [
      ...(returned ? broughtBack(plan.entity) : []),
      ...(recreated ? [emptied(plan.entity, plan.table)] : []),
      ...(gap === undefined ? [] : [comparison(plan.entity, gap, recreated ? plan.table : undefined)]),
    ];
    if (statements.length > 0)
      steps.push({ about: `${plan.entity}: what went by uncaptured is looked for`, statements });
    if (outgrown)
      steps.push({
        about: `${plan.entity}: what was sent before is in the cloud as it was then`,
        asOwner: true,
        statements: sentAsTheyWere(plan.entity),
      });
  }
  if (stale.length > 0) {
    steps.push({
      about: `${stale.join(', ')}: written down as ${stale.length === 1 ? 'it is' : 'they are'} now`,
      asOwner: true,
      statements: [recording(stale, generatorMark(settings.capture))],
    });
  }
  return steps;
}

function recording(entities: string[], generator: string): string {
  return `UPDATE syncd.capture c
SET recorded = syncd.table_shape((${TABLE_NAMED}), true),
    departed = (SELECT coalesce(json_agg(json_build_object('oid', d.relation::text, 'table', d.name, 'bounds', d.bounds)), '[]')
                FROM syncd.departed(c.entity_type) AS d),
    generator = ${literal(generator)}, installed_at = clock_timestamp(), trigger_marks = NULL,
    drift = NULL, drift_kind = NULL, drift_at = NULL, drift_hint = NULL, drift_misses = false, holds_push = false, holds_apply = false
WHERE c.entity_type IN (${entities.map(literal).join(', ')})`;
}

/** A walk that is half done has passed rows as they were, and its end would tell that all are known. */
const sentAsTheyWere = (entity: string) => [
  `UPDATE syncd.capture SET older_rows = true WHERE entity_type = ${literal(entity)}`,
  `UPDATE syncd.backfills SET position = NULL WHERE entity_type = ${literal(entity)} AND kind <> 'delete' AND finished_at IS NULL`,
];

/** What left the table before it was captured no more is known again; the comparison finds the older rows, too. */
const broughtBack = (entity: string) => [
  `UPDATE syncd.capture c SET recorded = f.recorded, departed = f.departed, older_rows = false
FROM syncd.former_captures f WHERE f.entity_type = c.entity_type AND c.entity_type = ${literal(entity)}`,
  `DELETE FROM syncd.former_captures WHERE entity_type = ${literal(entity)}`,
];

function emptied(entity: string, table: string): string {
  return `INSERT INTO syncd.truncations (entity_type, table_name) SELECT ${literal(entity)}, ${literal(table)}
WHERE NOT EXISTS (SELECT FROM ${table}) AND EXISTS (SELECT FROM syncd.entity_state WHERE entity_type = ${literal(entity)} AND NOT deleted)`;
}

/**
 * As walk/request asks, in a step of install.
 * @param unlessEmpty the table, where it may have come back empty
 */
function comparison(entity: string, cause: string, unlessEmpty: string | undefined): string {
  return `INSERT INTO syncd.backfills (entity_type, kind, cause, requested_by) SELECT ${literal(entity)}, 'reconcile', ${literal(cause)}, session_user
${unlessEmpty === undefined ? '' : `WHERE EXISTS (SELECT FROM ${unlessEmpty})\n`}ON CONFLICT (entity_type, kind) WHERE started_at IS NULL AND finished_at IS NULL DO NOTHING`;
}
