/** Which history of the cloud the agreements are of: a cloud that was restored has another one, where their versions mean nothing. */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { SyncError } from '../errors.js';
import { CLOUD_RESTORED } from '../ops/identity/adopt.js';

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
