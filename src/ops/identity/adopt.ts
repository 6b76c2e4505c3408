/**
 * A person says what a database is that does not fit: a restored backup, one that has moved, a copy that becomes another outlet.
 * One transaction: the outlet's new identity, what follows from it for the queue, the end of the stop, and the record of who said
 * so. A crash leaves everything as it was. The daemon need not run; one that runs goes on by itself.
 *
 * The epoch is raised whatever the person says. What was numbered after a backup is numbered again, and so are transactions on
 * another server; in a new epoch that means nothing. And a copy that was left running somewhere is answered 409.
 */
import { sql } from 'kysely';
import type { Settings } from '../../config/settings.js';
import type { Db } from '../../db/connect.js';
import { placeColumns, setHome } from '../../db/place.js';
import { SyncError } from '../../errors.js';
import { requester, wakeDaemon } from '../../queue/manage.js';
import { readMemory } from './file.js';
import { type Outlet, readOutlet } from './outlet.js';
import { putAway } from './put-away.js';
import { type IdentityVerdict, judgeIdentity, type Memory } from './verdict.js';

export type AdoptAs = 'rollback' | 'move' | 'clone';

type Counts = { waiting: number; failed: number; conflicts: number; settled: number; entities: number };

export type Inspection = { memory: Memory; outlet: Outlet; verdict: IdentityVerdict; counts: Counts };

export type Adopted = {
  as: AdoptAs;
  outlet_id: string;
  install_id: string;
  epoch: string;
  /** Rows that were put away; 0 but for a clone. */
  put_away: number;
};

/** Changes nothing. @throws SyncError `configuration` where the memory may not be read, or no outlet is installed */
export async function inspect(db: Db, settings: Settings): Promise<Inspection> {
  const memory = await readMemory(settings.state_dir);
  const outlet = await readOutlet(db, memory);
  const { rows } = await sql<Counts>`
    SELECT count(*) FILTER (WHERE status = 'pending')::int AS waiting, count(*) FILTER (WHERE status = 'failed')::int AS failed,
           count(*) FILTER (WHERE status = 'conflict')::int AS conflicts, count(*) FILTER (WHERE status = 'synced')::int AS settled,
           (SELECT count(*)::int FROM syncd.entity_state) AS entities
    FROM syncd.sync_queue`.execute(db);
  return { memory, outlet, verdict: judgeIdentity(memory, outlet), counts: rows[0] as Counts };
}

/** Why this cannot be done here, in words and with what to type; undefined: it can. */
export function objection(
  as: AdoptAs | 'cloud-restored',
  { outlet, memory, verdict }: Inspection,
  settings: Settings,
): SyncError | undefined {
  const refuse = (message: string, hint: string) =>
    new SyncError('failed', `nothing was changed: ${message}`, { hint });
  const before = outlet.home?.outlet_id ?? outlet.outlet_id;
  const renamed = settings.outlet.id !== before;
  if (as === 'clone') {
    if (renamed && verdict.kind === 'fits' && outlet.works && outlet.stopped_code === null)
      return refuse(
        `a daemon works on it as outlet ${before}, so it is no copy that lies idle`,
        'Is this the right database? If it is the copy: sudo systemctl stop syncd, then again',
      );
    if (renamed) return undefined;
    return refuse(
      `outlet.id in syncd.yaml is ${settings.outlet.id}, and that is the outlet that this database belongs to`,
      'A clone becomes another outlet: give it its own outlet.id (and API key) in syncd.yaml first, then: syncd adopt --as clone',
    );
  }
  if (renamed || outlet.outlet_id !== before) {
    return refuse(
      `the database worked for outlet ${before}, and syncd.yaml says ${settings.outlet.id}`,
      `Correct outlet.id in syncd.yaml (and run syncd install, if it was run with the wrong one), or, if this is a copy that becomes outlet ${settings.outlet.id}: syncd adopt --as clone`,
    );
  }
  if (as === 'cloud-restored') {
    if (verdict.kind !== 'fits')
      return refuse(`first of all the database does not fit: ${verdict.reason}`, 'Say what it is: syncd adopt');
    if (outlet.stopped_code === 'cloud_restored') return undefined;
    return refuse('the cloud has the history that it always had', 'See: syncd status');
  }
  if (outlet.stopped_code === 'cloud_restored' && verdict.kind === 'fits')
    return refuse('pushing is stopped because the cloud was restored, not because of this database', CLOUD_RESTORED);
  if (verdict.kind === 'fits' && outlet.stopped_code === null)
    return refuse('this is the database that the outlet last worked on, and nothing is stopped', 'See: syncd status');
  if (as === 'move' && verdict.kind === 'restored')
    return refuse(
      `it has not only moved: ${verdict.reason}`,
      `Take it for what it is: syncd adopt --as rollback${typeof memory === 'object' ? '' : ' (it is safe also where nothing is missing)'}`,
    );
  return undefined;
}

/** What a person can do about a cloud that has another history than before. */
export const CLOUD_RESTORED =
  'Sales go on and are kept. Ask the team of the cloud: if it was restored from a backup, and stays so, then: sudo -u syncd syncd adopt --as cloud-restored. If it comes back as it was, everything goes on by itself.';

/**
 * Begins a new epoch with the database as what a person says it is, and writes down who said so.
 * @param seen what the person was shown
 * @throws SyncError `failed` where somebody else has adopted it since
 */
export async function adopt(db: Db, settings: Settings, as: AdoptAs, seen: Inspection, who: string): Promise<Adopted> {
  return db.transaction().execute(async (trx) => {
    const { rows: locked } = await sql<{ install_id: string; epoch: string; outlet_id: string }>`
      SELECT install_id, epoch, outlet_id FROM syncd.outlet_config FOR UPDATE`.execute(trx);
    const before = locked[0] as { install_id: string; epoch: string; outlet_id: string };
    if (before.epoch !== seen.outlet.epoch || before.install_id !== seen.outlet.install_id)
      throw new SyncError('failed', 'nothing was changed: somebody else has just adopted it', {
        hint: 'See: syncd adopt',
      });
    const put_away = as === 'clone' ? await putAway(trx, seen.outlet.home?.outlet_id ?? before.outlet_id) : 0;
    await renumberTransactions(trx);
    const { rows } = await sql<Omit<Adopted, 'as' | 'put_away'>>`
      UPDATE syncd.outlet_config o SET epoch = ${nextEpoch(seen)}::bigint, adopted_from = ${rememberedInstall(seen)}, adopted_at = clock_timestamp(),
             ${as === 'clone' ? asClone(settings) : asItself(as)}
      FROM (SELECT ${placeColumns}) AS here RETURNING o.outlet_id, o.install_id, o.epoch`.execute(trx);
    const { outlet_id, install_id, epoch } = rows[0] as Omit<Adopted, 'as' | 'put_away'>;
    // Its columns refer to the outlet's id as it is now.
    await sql`UPDATE syncd.outlet_config o SET ${setHome} FROM (SELECT ${placeColumns}) AS here`.execute(trx);
    await sql`
      INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
      VALUES ('adopt', json_build_object('as', ${as}::text, 'was', json_build_object('outlet_id', ${before.outlet_id}::text,
                'install_id', ${before.install_id}::text, 'epoch', ${before.epoch}::text), 'seen', ${seen.verdict.kind}::text),
              ${requester(who)}, clock_timestamp(), ${`adopted as ${as}: epoch ${epoch}`})`.execute(trx);
    await wakeDaemon(trx);
    return { as, outlet_id, install_id, epoch, put_away };
  });
}

/** Above everything that this outlet is known to have used: here, in the memory, and at the cloud. */
function nextEpoch({ memory, outlet }: Pick<Inspection, 'memory' | 'outlet'>): string {
  const known = [outlet.epoch, outlet.stopped_epoch ?? '0', typeof memory === 'object' ? memory.epoch : '0'];
  const [highest = 0n] = known.map(BigInt).sort((a, b) => (a < b ? 1 : -1));
  return String(highest + 1n);
}

/** By it the daemon sees that what it remembers was spoken of. */
function rememberedInstall({ memory }: Inspection) {
  return typeof memory === 'object' ? sql`${memory.install_id}::uuid` : sql`o.install_id`;
}

/** A cloud with another history stays what it is. */
const endOfStop = sql.raw(
  ['code', 'reason', 'at', 'epoch']
    .map((part) => `stopped_${part} = CASE WHEN o.stopped_code = 'cloud_restored' THEN o.stopped_${part} END`)
    .join(', '),
);

const asItself = (as: 'rollback' | 'move') =>
  sql`${endOfStop} ${as === 'rollback' ? sql`, pull_cursor = NULL` : sql``}`;

const asClone = ({ outlet, cloud }: Settings) => sql`
  install_id = gen_random_uuid(), outlet_id = ${outlet.id}, code = ${outlet.code ?? null}, timezone = ${outlet.timezone},
  cloud_url = ${cloud.url}, pull_cursor = NULL, last_sync_at = NULL, last_pull_at = NULL, cloud_epoch = NULL, settled_id = 0,
  webhooks_timestamped = false, stopped_code = NULL, stopped_reason = NULL, stopped_at = NULL, stopped_epoch = NULL`;

/**
 * A dump that is restored on another server brings transaction ids from the future of that server: no snapshot would see those
 * changes as committed, and later transactions would be taken for parts of them. They become ids of the past, in their order;
 * where there are more transactions than the server has a past, neighbours become one.
 */
async function renumberTransactions(trx: Db): Promise<void> {
  await sql`
    WITH bound AS MATERIALIZED (
      SELECT pg_snapshot_xmax(pg_current_snapshot()) AS future, pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS past
    ), alien AS MATERIALIZED (
      SELECT txid, row_number() OVER (ORDER BY txid) AS place, count(*) OVER () AS transactions
      FROM (SELECT DISTINCT q.txid FROM syncd.sync_queue q, bound WHERE q.status <> 'synced' AND q.txid >= bound.future) AS one
    )
    UPDATE syncd.sync_queue q
    SET txid = (CASE WHEN a.transactions <= bound.past - 3 THEN bound.past - a.transactions + a.place
                     ELSE 3 + (a.place - 1) * (bound.past - 3) / a.transactions END)::text::xid8
    FROM alien a, bound WHERE q.txid = a.txid AND q.status <> 'synced'`.execute(trx);
}
