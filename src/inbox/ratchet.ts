/**
 * Whether a webhook without a signed time is still taken under profile `auto`. The ratchet closes in the statement that stores
 * the first message with one (inbox/receive), so a crash leaves both or neither; it opens only when a person names a profile.
 */
import type { Db } from '../db/connect.js';

/** @returns whether profile `body` is refused */
export async function readRatchet(db: Db, profile: 'auto' | 'body' | 'timestamped' | 'standard'): Promise<boolean> {
  if (profile !== 'auto') {
    await db
      .updateTable('syncd.outlet_config')
      .set({ webhooks_timestamped: false })
      .where('webhooks_timestamped', '=', true)
      .execute();
    return false;
  }
  const outlet = await db.selectFrom('syncd.outlet_config').select('webhooks_timestamped').executeTakeFirst();
  return outlet?.webhooks_timestamped ?? false;
}
