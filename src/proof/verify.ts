/**
 * Compares entity types with the cloud: by day, then inside the days that differ one by one. Changes nothing. Versions prove
 * that every change that was settled here is in the cloud still, and that every change of the cloud has come; whether every
 * write of the shop was captured is another question, which the walk of walk/request answers (kind reconcile).
 */
import { sql } from 'kysely';
import type { Direction, Settings } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { INSTALL, SyncError } from '../errors.js';
import { CLOUD_RESTORED } from '../ops/identity/adopt.js';
import { requester } from '../queue/manage.js';
import { sleep } from '../time.js';
import { readWalkedTable } from '../walk/table.js';
import { type Compared, compare, confirmed, type Difference, type DifferenceKind } from './difference.js';
import { bucketsHere, mayDifferHere, type ProvenTable, provenTable } from './here.js';
import { differingBuckets, entitiesThere, type ProofClient } from './there.js';

export type VerifyDeps = {
  /** With time for whole tables. */
  db: Db;
  client: ProofClient;
  settings: Pick<Settings, 'entities' | 'outlet'>;
  /** Between two looks at what differs, so that what is on its way may arrive. Null: nothing travels, and one look is enough. */
  pauseMs: number | null;
};

export type Proof = {
  entity_type: string;
  direction: Direction;
  /** Why it could not be compared; null: it was. */
  skipped: string | null;
  /** Living entities that were agreed on. */
  entities: number;
  /** Days that they lie in; one where no day is known. */
  buckets: number;
  /** May differ, and have something on their way. */
  on_the_way: number;
  differences: Difference[];
};

export type InstalledType = { entity_type: string; direction: Direction };

/**
 * The installed types in a fixed order; all where none is named.
 * @throws SyncError `usage` for one that is not installed
 */
export async function installedTypes(db: Db, named: readonly string[]): Promise<InstalledType[]> {
  const { rows } = await sql<InstalledType>`
    SELECT entity_type, direction FROM syncd.capture ORDER BY entity_type`.execute(db);
  const unknown = named.filter((name) => !rows.some(({ entity_type }) => entity_type === name));
  if (unknown.length > 0)
    throw new SyncError('usage', `not installed: ${unknown.join(', ')}`, {
      hint: rows.length > 0 ? `Installed are: ${rows.map((row) => row.entity_type).join(', ')}.` : `Run: ${INSTALL}`,
    });
  return named.length === 0 ? rows : rows.filter(({ entity_type }) => named.includes(entity_type));
}

/** The name of the cloud's history that the agreements are of; null: it never told one. */
export async function knownHistory(db: Db): Promise<string | null> {
  const { rows } = await sql<{ cloud_epoch: string | null }>`SELECT cloud_epoch FROM syncd.outlet_config`.execute(db);
  return rows[0]?.cloud_epoch ?? null;
}

/**
 * @param told the name that the cloud gives its history now
 * @throws SyncError `failed` where the agreements are of another one: their versions mean nothing in it
 */
export async function mustBeSameHistory(db: Db, told: string | undefined): Promise<void> {
  const known = await knownHistory(db);
  if (known === null || told === undefined || known === told) return;
  throw new SyncError(
    'failed',
    `the cloud has another history than before (restored from a backup?): it calls itself ${told}, not ${known}`,
    { hint: CLOUD_RESTORED },
  );
}

const LOST: DifferenceKind[] = ['missing_there', 'older_there'];

/** What the cloud had accepted, and does not keep. */
export const lostOf = ({ differences }: Pick<Proof, 'differences'>): number =>
  differences.filter(({ kind }) => LOST.includes(kind)).length;

/** Who compared, when, and what came of it: for status, and beside everything else that people have asked for. */
export async function recordProofs(db: Db, proofs: readonly Proof[], who: string): Promise<void> {
  const rows = proofs.map((proof) => {
    const { entity_type, entities, on_the_way, differences, skipped } = proof;
    return { entity_type, entities, on_the_way, differences: differences.length, lost: lostOf(proof), skipped };
  });
  const differ = rows.filter(({ differences }) => differences > 0);
  const outcome =
    differ.length === 0
      ? 'no differences'
      : `differences: ${differ.map(({ entity_type, differences }) => `${entity_type} ${differences}`).join(', ')}`;
  await sql`
    WITH proven AS (
      INSERT INTO syncd.proofs AS p (entity_type, compared_by, entities, on_the_way, differences, lost, skipped)
      SELECT entity_type, ${requester(who)}, entities, on_the_way, differences, lost, skipped
      FROM json_to_recordset(${JSON.stringify(rows)}::json)
           AS r (entity_type text, entities bigint, on_the_way bigint, differences bigint, lost bigint, skipped text)
      ON CONFLICT (entity_type) DO UPDATE
      SET compared_at = clock_timestamp(), compared_by = excluded.compared_by, entities = excluded.entities, on_the_way = excluded.on_the_way,
          differences = excluded.differences, lost = excluded.lost, skipped = excluded.skipped
    )
    INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
    VALUES ('verify', ${JSON.stringify({ types: rows })}::json, ${requester(who)}, clock_timestamp(), ${outcome})`.execute(
    db,
  );
}

/** Two such lists at a time take some 400 MB of memory. */
const LONGEST_LIST = 500_000;

function tooLarge({ walked, day }: ProvenTable, count: number): string {
  const words = `it differs, but ${count.toLocaleString('en-GB')} rows in one bucket are too many to be listed`;
  return day === undefined ? `${words}: entities.${walked.entity}.date_field divides them into days` : words;
}

/** @throws SyncError `unavailable` where the cloud does not answer */
export async function verifyType(deps: VerifyDeps, { entity_type, direction }: InstalledType): Promise<Proof> {
  const { db, settings } = deps;
  const nothing = { entity_type, direction, skipped: null, entities: 0, buckets: 0, on_the_way: 0, differences: [] };
  const walked = await readWalkedTable(db, entity_type);
  if (typeof walked === 'string') return { ...nothing, skipped: walked };
  const dateField = settings.entities.get(entity_type)?.date_field;
  const table = await provenTable(db, walked, dateField, settings.outlet.timezone);
  const here = await bucketsHere(db, table);
  const entities = here.reduce((sum, { count }) => sum + count, 0);
  return { ...nothing, entities, buckets: here.length, ...(await lookCloser(deps, table, here)) };
}

async function lookCloser(
  { db, client, pauseMs }: VerifyDeps,
  table: ProvenTable,
  buckets: Awaited<ReturnType<typeof bucketsHere>>,
): Promise<Pick<Proof, 'on_the_way' | 'differences'> & Partial<Pick<Proof, 'skipped'>>> {
  const named = {
    entity_type: table.walked.entity,
    date_field: table.day?.column ?? null,
    timezone: table.timezone,
  };
  const differ = await differingBuckets(client, { ...named, buckets });
  if (differ.length === 0) return { on_the_way: 0, differences: [] };
  const large = buckets.find(({ bucket, count }) => count > LONGEST_LIST && differ.includes(bucket));
  if (large !== undefined) return { on_the_way: 0, differences: [], skipped: tooLarge(table, large.count) };
  const look = async (): Promise<Compared> => {
    const there = await entitiesThere(client, named, differ);
    return compare(await mayDifferHere(db, table, differ, there), there, pauseMs === null);
  };
  const first = await look();
  if (first.differences.length === 0 || pauseMs === null)
    return { on_the_way: first.moving, differences: first.differences };
  await sleep(pauseMs);
  const second = await look();
  return { on_the_way: second.moving, differences: confirmed(first.differences, second.differences) };
}
