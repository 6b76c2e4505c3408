/**
 * Compares entity types with the cloud: by day, then inside the days that differ one by one. Changes nothing. Versions prove
 * that every change that was settled here is in the cloud still, and that every change of the cloud has come; whether every
 * write of the shop was captured is another question, which the walk of walk/request answers (kind reconcile).
 */
import { sql } from 'kysely';
import type { Direction, Settings } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { codeOf, INSTALL, SyncError, wordsOf } from '../errors.js';
import { sleep } from '../time.js';
import { readWalkedTable } from '../walk/table.js';
import { InTheWay, type Reader, readAside } from './aside.js';
import { type Compared, compare, confirmed, type Difference } from './difference.js';
import { bucketsHere, mayDifferHere, type ProvenTable, provenTable } from './here.js';
import { differingBuckets, entitiesThere, type ProofClient } from './there.js';
import { NOTHING_UNDECIDED, type Undecided, undecidedOf } from './undecided.js';

export type VerifyDeps = Reader & {
  client: ProofClient;
  settings: Pick<Settings, 'entities' | 'outlet'>;
  /** Between two looks at what differs, so that what is on its way may arrive. Null: nothing travels, and one look is enough. */
  pauseMs: number | null;
};

export type Proof = Undecided & {
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

/** A first look, and the way to look once more at what seemed to differ. */
type Looked = { proof: Proof; again?: () => Promise<Compared> };

/**
 * All types once; then, after one pause for all of them, those that seemed to differ once more.
 * @param onType told which type is being looked at
 * @throws SyncError `unavailable` where the cloud does not answer
 */
export async function verifyTypes(
  deps: VerifyDeps,
  types: readonly InstalledType[],
  onType: (entity_type: string) => void = () => {},
): Promise<Proof[]> {
  const looked: Looked[] = [];
  for (const type of types) {
    onType(type.entity_type);
    looked.push(await unlessUnreadable(newProof(type), (proof) => lookAt(deps, proof)));
  }
  const differ = looked.filter(({ proof }) => proof.differences.length > 0);
  if (differ.length > 0 && deps.pauseMs !== null) {
    await sleep(deps.pauseMs);
    for (const { proof, again } of differ) {
      onType(proof.entity_type);
      if (again)
        await unlessUnreadable(proof, async () => {
          confirm(proof, await again());
          return { proof };
        });
    }
  }
  const undecided = await undecidedOf(
    deps.db,
    types.map(({ entity_type }) => entity_type),
  );
  return looked.map(({ proof }) => ({ ...proof, ...undecided.get(proof.entity_type) }));
}

/** A table that cannot be read as it is keeps no other from being compared. */
async function unlessUnreadable(proof: Proof, look: (proof: Proof) => Promise<Looked>): Promise<Looked> {
  try {
    return await look(proof);
  } catch (error) {
    // Class 22 and 42: this table and this statement do not fit each other, or it may not be read.
    if (!(error instanceof InTheWay || /^(22|42)/.test(codeOf(error) ?? ''))) throw error;
    return { proof: Object.assign(proof, { differences: [], skipped: wordsOf(error) }) };
  }
}

function confirm(proof: Proof, second: Compared): void {
  proof.on_the_way = second.moving;
  proof.differences = confirmed(proof.differences, second.differences);
}

const newProof = (type: InstalledType): Proof => ({
  ...type,
  skipped: null,
  entities: 0,
  buckets: 0,
  on_the_way: 0,
  ...NOTHING_UNDECIDED,
  differences: [],
});

async function lookAt({ db, beside, client, settings, pauseMs }: VerifyDeps, proof: Proof): Promise<Looked> {
  const { entity_type } = proof;
  const walked = await readWalkedTable(db, entity_type);
  if (typeof walked === 'string') return { proof: { ...proof, skipped: walked } };
  const dateField = settings.entities.get(entity_type)?.date_field;
  const table = await provenTable(db, walked, dateField, settings.outlet.timezone);
  const named = { entity_type, date_field: table.day?.column ?? null, timezone: table.timezone };
  const reader = { db, beside };
  const buckets = await readAside(reader, (one) => bucketsHere(one, table));
  proof.buckets = buckets.length;
  proof.entities = buckets.reduce((sum, { count }) => sum + count, 0);
  const differ = await differingBuckets(client, { ...named, buckets });
  if (differ.length === 0) return { proof };
  // What a restored cloud holds must be known, whatever that takes.
  const longest = pauseMs === null ? Number.POSITIVE_INFINITY : LONGEST_LIST;
  const large = buckets.find(({ bucket, count }) => count > longest && differ.includes(bucket));
  if (large !== undefined) return { proof: { ...proof, skipped: tooLarge(table, large.count) } };
  const look = async () => {
    const there = await entitiesThere(client, named, differ);
    const here = await readAside(reader, (one) => mayDifferHere(one, table, differ, there));
    return compare(here, there, pauseMs === null);
  };
  const { moving, differences } = await look();
  return { proof: { ...proof, on_the_way: moving, differences }, again: look };
}

/** Two such lists at a time take some 400 MB of memory. */
const LONGEST_LIST = 500_000;

function tooLarge({ walked, day }: ProvenTable, count: number): string {
  const words = `it differs, but ${count.toLocaleString('en-GB')} rows in one bucket are too many to be listed`;
  return day === undefined ? `${words}: entities.${walked.entity}.date_field divides them into days` : words;
}
