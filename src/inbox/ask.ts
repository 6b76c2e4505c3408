/**
 * A person asks for one entity as the cloud holds it: a request and a hint in the tables, which the daemon takes up when it runs,
 * and the look at what has become of them. Nothing here talks to the cloud; asking twice does no harm.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { keyText } from '../capture/expressions.js';
import { givenParts, notAKey, typedParts } from '../capture/given-key.js';
import { readKeys } from '../capture/keys.js';
import { isNameable } from '../cloud/client.js';
import type { Db } from '../db/connect.js';
import { codeOf, SyncError } from '../errors.js';
import { lookAtDaemon } from '../ops/control.js';
import { UnknownEntity } from '../queue/enqueue.js';
import { requester, wakeDaemon } from '../queue/manage.js';
import { monotonicMs, sleep } from '../time.js';
import { receive } from './receive.js';

export type Asked = {
  /** The request's number among the commands. */
  id: string;
  entity_type: string;
  /** As the capture spells it. */
  entity_id: string;
};

export type AskStatus =
  /** Both sides are as the cloud says, or the shop's version is newer already. */
  | 'applied'
  /** Both sides differ, and which one wins is not decided yet. */
  | 'conflict'
  /** What came cannot be applied. */
  | 'parked'
  /** The cloud has nothing that could be applied. */
  | 'failed'
  | 'waiting';

export type AskStanding = {
  status: AskStatus;
  /** Why, in words, where it is not applied. */
  reason: string | null;
  cloud_version: string | null;
  deleted: boolean | null;
};

const LOOK_MS = 100;

/**
 * Asks for one entity; the answer comes when the daemon has got it.
 * @throws SyncError `usage` or `failed` where nothing of that name can come from the cloud
 */
export async function askForEntity(db: Db, entity_type: string, given: string, who: string): Promise<Asked> {
  const entity_id = await idAsCaptured(db, entity_type, given);
  // A hint that nobody can follow would stay parked until a person drops it.
  if (!isNameable(entity_id))
    throw new SyncError(
      'usage',
      `${JSON.stringify(entity_id)} cannot stand in a URL, so the cloud cannot be asked for it`,
    );
  const asked = await db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ id: string }>`
      INSERT INTO syncd.commands (command, args, requested_by)
      VALUES ('pull', json_build_object('entity_type', ${entity_type}::text, 'entity_id', ${entity_id}::text), ${requester(who)})
      RETURNING id`.execute(trx);
    await receive(trx, {
      event_id: randomUUID(),
      source: 'fetch',
      sent_at: null,
      changes: [
        {
          entity_type,
          entity_id,
          cloud_id: null,
          operation: 'hint',
          cloud_version: null,
          updated_at: null,
          data: null,
        },
      ],
      bytes: 0,
      durationMs: 0,
      httpStatus: null,
    });
    return { id: (rows[0] as { id: string }).id, entity_type, entity_id };
  });
  await wakeDaemon(db);
  return asked;
}

/** The cloud has answered for this entity; whoever asked for it learns that. @param error why nothing came of it */
export async function answerAsked(
  db: Db,
  entity_type: string,
  entity_id: string,
  outcome: string | null,
  error: string | null,
): Promise<void> {
  await sql`
    UPDATE syncd.commands SET finished_at = clock_timestamp(), outcome = ${outcome}, error = ${error}
    WHERE command = 'pull' AND finished_at IS NULL
      AND args ->> 'entity_type' = ${entity_type} AND args ->> 'entity_id' = ${entity_id}`.execute(db);
}

async function standingOfAsked(db: Db, asked: Asked): Promise<AskStanding> {
  const { rows } = await sql<AskStanding>`
    WITH command AS (
      SELECT finished_at IS NOT NULL AS finished, error, requested_at FROM syncd.commands WHERE id = ${asked.id}::bigint
    ), troubled AS (
      -- What was parked before is no answer: where the cloud still holds that, it has come once more.
      SELECT i.status, i.reason FROM syncd.incoming i JOIN command c ON i.received_at >= c.requested_at
      WHERE entity_type = ${asked.entity_type} AND entity_id = ${asked.entity_id} AND (status = 'parked' OR next_attempt_at IS NOT NULL)
      ORDER BY i.id DESC LIMIT 1
    ), fresh AS (
      SELECT FROM syncd.incoming
      WHERE entity_type = ${asked.entity_type} AND entity_id = ${asked.entity_id} AND status = 'waiting' AND next_attempt_at IS NULL LIMIT 1
    ), conflict AS (
      SELECT FROM syncd.sync_conflicts
      WHERE entity_type = ${asked.entity_type} AND entity_id = ${asked.entity_id} AND status = 'open' LIMIT 1
    )
    SELECT CASE WHEN c.error IS NOT NULL THEN 'failed'
                WHEN EXISTS (SELECT FROM fresh) OR t.status = 'waiting' OR NOT c.finished THEN 'waiting'
                WHEN t.status = 'parked' THEN 'parked'
                WHEN EXISTS (SELECT FROM conflict) THEN 'conflict'
                ELSE 'applied' END AS status,
           coalesce(c.error, t.reason) AS reason, s.cloud_version, s.deleted
    FROM command c LEFT JOIN troubled t ON true
    LEFT JOIN syncd.entity_state s ON s.entity_type = ${asked.entity_type} AND s.entity_id = ${asked.entity_id}`.execute(
    db,
  );
  return rows[0] ?? { status: 'failed', reason: 'the request is gone', cloud_version: null, deleted: null };
}

/** Waits until what was asked for is applied, or cannot be, or while the daemon can get it; `patienceMs` at most. */
export async function awaitAsked(db: Db, asked: Asked, patienceMs: number): Promise<AskStanding> {
  const deadline = monotonicMs() + patienceMs;
  for (;;) {
    const standing = await standingOfAsked(db, asked);
    if (standing.status !== 'waiting' || monotonicMs() > deadline) return standing;
    const daemon = await lookAtDaemon(db);
    if (!daemon.running || !daemon.enabled || daemon.online === false) return standing;
    await sleep(LOOK_MS);
  }
}

/**
 * The id as the capture would write it: `007` of an integer key is `7`.
 * @param pulled whether something of the cloud's must be able to come in for it
 */
export async function idAsCaptured(db: Db, entity_type: string, given: string, pulled = true): Promise<string> {
  const row = await db
    .selectFrom('syncd.capture')
    .select(['table_name', 'keys', 'direction'])
    .where('entity_type', '=', entity_type)
    .executeTakeFirst();
  if (row === undefined || (pulled && row.direction === 'push')) {
    const others = await db
      .selectFrom('syncd.capture')
      .select('entity_type')
      .where('direction', '<>', 'push')
      .orderBy('entity_type')
      .execute();
    const known = others.map((one) => one.entity_type).join(', ');
    throw new UnknownEntity(
      row
        ? `${entity_type} is only pushed: the cloud's word changes nothing here`
        : `no entity ${entity_type} is installed`,
      known === '' ? 'syncd.yaml names none with direction pull or both.' : `Pulled are: ${known}.`,
    );
  }
  const keys = await readKeys(db, row.table_name, row.keys);
  const typed = typedParts(keys, givenParts(keys, given));
  try {
    const { rows } = await sql<{ entity_id: string }>`
      SELECT ${sql.raw(keyText({ keys }, 't'))} AS entity_id FROM (SELECT ${typed}) AS t`.execute(db);
    return (rows[0] as { entity_id: string }).entity_id;
  } catch (error) {
    if (codeOf(error)?.startsWith('22')) throw notAKey(keys, entity_type, given);
    throw error;
  }
}
