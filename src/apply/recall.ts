/**
 * Brings back all the rows that a table has lost, one by one by the keys that were agreed on: from the cloud, or from the shop's own
 * changes that still wait. Also for tables that are only sent. May be broken off and begun again at any moment: what is back is
 * not asked for any more.
 */

import { type CloudClient, isNameable } from '../cloud/client.js';
import { judgeReply } from '../cloud/outcome.js';
import type { Db } from '../db/connect.js';
import { codeOf, SyncError, wordsOf } from '../errors.js';
import { parseEntity } from '../inbox/envelope.js';
import type { WalkedTable } from '../walk/table.js';
import { type LostPage, type LostRow, lostRows } from '../walk/truncations.js';
import { agreeGone, restoreRow } from './restore.js';
import type { AppliedTable } from './tables.js';

export type RecallDeps = {
  /** Where the rows are looked for. */
  db: Db;
  /** As `openApplier` makes it, with the right to write the table. */
  applier: Db;
  client: Pick<CloudClient, 'entity'>;
  nowMs: () => number;
  /** Told now and then how many rows are back, or known to be gone. */
  onProgress: (done: number) => void;
  signal: AbortSignal;
};

export type Recalled = {
  restored: number;
  /** The cloud has deleted them as well. */
  gone: number;
  /** The cloud does not have them: nobody has. */
  missing: string[];
  failed: { entity_id: string; reason: string; orphan: boolean }[];
};

const PAGE = 200;
/** Requests at a time: the line's round trips, not the cloud, are what takes time. */
const AT_ONCE = 4;
const FOREIGN_KEY = '23503';
/** Rights on the table or on syncd's own; what will not change from one row to the next. */
const RIGHTS = '42501';
/** A peer login of the administrator's, with a copy of the key that only root can read, in no list of processes. */
const AS_POSTGRES =
  'sudo systemd-run --pipe --wait --uid=postgres -p LoadCredential=cloud_api_key:/etc/syncd/credentials/cloud_api_key';

/** @throws SyncError `unavailable` when the cloud cannot be asked, `configuration` where rights are missing */
export async function recallRows(deps: RecallDeps, table: AppliedTable, walked: WalkedTable): Promise<Recalled> {
  const all: Recalled = { restored: 0, gone: 0, missing: [], failed: [] };
  // A row that refers to another one of the same table finds it at the next round.
  for (let orphans = 1, made = 1; orphans > 0 && made > 0 && !deps.signal.aborted; ) {
    const round = await recallOnce(deps, table, walked, all.restored + all.gone);
    all.restored += round.restored;
    all.gone += round.gone;
    Object.assign(all, { missing: round.missing, failed: round.failed });
    made = round.restored;
    orphans = round.failed.filter(({ orphan }) => orphan).length;
  }
  return all;
}

async function recallOnce(
  deps: RecallDeps,
  table: AppliedTable,
  walked: WalkedTable,
  before: number,
): Promise<Recalled> {
  const report: Recalled = { restored: 0, gone: 0, missing: [], failed: [] };
  let after: string | null = null;
  do {
    const { rows: lost, last }: LostPage = await lostRows(deps.db, walked, after, PAGE);
    after = last;
    for (let from = 0; from < lost.length && !deps.signal.aborted; from += AT_ONCE) {
      const some = lost.slice(from, from + AT_ONCE);
      const found = await Promise.all(some.map((row) => find(deps, table, row)));
      for (const [n, row] of some.entries()) await put(deps, table, row, found[n] as Found, report);
      deps.onProgress(before + report.restored + report.gone);
    }
  } while (after !== null && !deps.signal.aborted);
  return report;
}

type Version = { cloud_version: string; cloud_id: string | null };
type Found =
  | { kind: 'row'; data: string; version?: Version }
  | { kind: 'gone'; version: Version }
  | { kind: 'missing' }
  | { kind: 'unusable'; reason: string };

async function find({ client, nowMs }: RecallDeps, { entity }: AppliedTable, row: LostRow): Promise<Found> {
  const { entity_id, payload } = row;
  if (payload !== null) return { kind: 'row', data: payload };
  if (!isNameable(entity_id)) return { kind: 'unusable', reason: 'its name cannot stand in a URL' };
  const reply = await client.entity(entity, entity_id);
  if (reply.kind === 'answer' && reply.status === 404) return { kind: 'missing' };
  const outcome = judgeReply(reply, nowMs());
  if (outcome.kind !== 'ok')
    throw new SyncError('unavailable', `the cloud does not give the rows back: ${outcome.reason}`, {
      hint: 'What was restored stays. Run the same command again when the cloud answers: it goes on where it was.',
    });
  const parsed = parseEntity(outcome.body);
  if (parsed.kind === 'malformed')
    return { kind: 'unusable', reason: `the cloud's answer cannot be read: ${parsed.reason}` };
  const { change } = parsed;
  if (change.fault !== undefined) return { kind: 'unusable', reason: change.fault };
  if (change.entity_type !== entity || change.entity_id !== entity_id || change.cloud_version === null)
    return { kind: 'unusable', reason: 'the cloud answered with another entity' };
  const version = { cloud_version: change.cloud_version, cloud_id: change.cloud_id };
  return change.data === null ? { kind: 'gone', version } : { kind: 'row', data: change.data, version };
}

async function put(deps: RecallDeps, table: AppliedTable, { entity_id }: LostRow, found: Found, report: Recalled) {
  switch (found.kind) {
    case 'missing':
      report.missing.push(entity_id);
      return;
    case 'unusable':
      report.failed.push({ entity_id, reason: found.reason, orphan: false });
      return;
    case 'gone':
      await agreeGone(deps.applier, table.entity, entity_id, found.version);
      report.gone += 1;
      return;
    case 'row':
      break;
    default:
      found satisfies never;
  }
  try {
    if (await restoreRow(deps.applier, table, { entity_id, ...found })) report.restored += 1;
  } catch (error) {
    if (codeOf(error) === RIGHTS)
      throw new SyncError('configuration', `nothing more was restored: ${wordsOf(error)}`, {
        hint: `The daemon may not write a table that is only sent: give a login that may, --admin-url postgres://…
Where postgres has no password: ${AS_POSTGRES} syncd truncate TYPE --restore`,
        cause: error,
      });
    if (!/^(22|23|27|P0|42)/.test(codeOf(error) ?? '')) throw error;
    report.failed.push({ entity_id, reason: wordsOf(error), orphan: codeOf(error) === FOREIGN_KEY });
  }
}
