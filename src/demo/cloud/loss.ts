/**
 * How a cloud comes to lose what it had accepted: one entity for no reason, or everything since a backup. Each is one line of the
 * journal and then the memory. The ledger, the webhooks and who takes them are not the cloud's memory: they lose nothing.
 */
import { randomUUID } from 'node:crypto';
import type { Cloud } from './exchange.js';
import { Refusal } from './refusal.js';

/**
 * Loses the row or tombstone, its places in the feed, and that its changes were ever applied. Nobody is told.
 * @throws Refusal 404 where there is nothing to lose.
 */
export function forget({ state, journal }: Cloud, outlet_id: string, entity_type: string, entity_id: string): void {
  if (state.entity(state.keyOf(outlet_id, entity_type, entity_id)) === undefined) {
    throw new Refusal(404, 'forget', `there is no ${entity_type} ${entity_id}`);
  }
  const line = { kind: 'forget' as const, outlet_id, entity_type, entity_id };
  journal.append(line);
  state.forget(line);
}

/** Returns the name to restore it by. */
export function takeBackup({ state, journal }: Cloud): string {
  const line = { kind: 'backup' as const, backup: `b${state.backups + 1}` };
  journal.append(line);
  state.backup(line.backup);
  return line.backup;
}

/**
 * All is as it was at the backup, and the cloud calls itself by a new epoch, which it returns. Waiting pulls are answered at once.
 * @throws Refusal 404 where there is no such backup.
 */
export function restore(cloud: Cloud, backup: string): string {
  if (!cloud.state.hasBackup(backup)) throw new Refusal(404, 'restore', `there is no backup ${backup}`);
  const cloud_epoch = randomUUID();
  cloud.journal.append({ kind: 'restore', backup, cloud_epoch });
  cloud.capabilities.cloud_epoch = cloud_epoch;
  cloud.digests.clear();
  cloud.state.restore(backup);
  return cloud_epoch;
}
