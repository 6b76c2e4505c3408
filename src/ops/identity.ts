/** Who this outlet is, as the installation wrote it down: what every push says of its sender. */
import type { Settings } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { SyncError } from '../errors.js';

export type Identity = { outlet_id: string; install_id: string; epoch: string };

/** @throws SyncError `configuration` where the database belongs to another outlet, or to none */
export async function readIdentity(db: Db, settings: Settings): Promise<Identity> {
  const outlet = await db
    .selectFrom('syncd.outlet_config')
    .select(['outlet_id', 'install_id', 'epoch'])
    .executeTakeFirst();
  if (outlet?.outlet_id === settings.outlet.id) return outlet;
  const installed = outlet
    ? `the database belongs to outlet ${outlet.outlet_id}`
    : 'the database belongs to no outlet yet';
  throw new SyncError('configuration', `outlet.id is ${settings.outlet.id}, but ${installed}`, {
    hint: 'Correct outlet.id, or make the database match the configuration: syncd install',
  });
}
