/**
 * state_dir/identity.json: what the daemon remembers of its database outside of it, so that a restored or copied one is noticed.
 * Written as a whole beside the old one, flushed, and put in its place: a crash leaves the old or the new, never half of one.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../../config/settings.js';
import { findPrimary } from '../../db/primary.js';
import { codeOf, SyncError, wordsOf } from '../../errors.js';
import type { Memory, Remembered } from './verdict.js';

const NAME = 'identity.json';

/** @throws SyncError `configuration` where there is a file that may not be read: that is neither lost nor damaged */
export async function readMemory(state_dir: string): Promise<Memory> {
  let text: string;
  try {
    text = await readFile(join(state_dir, NAME), 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return 'lost';
    throw new SyncError('configuration', `${join(state_dir, NAME)} cannot be read: ${wordsOf(error)}`, {
      hint: `Run it as the user of the daemon (sudo -u syncd syncd …), or give the file to that user: chown syncd ${join(state_dir, NAME)}`,
      cause: error,
    });
  }
  return parseMemory(text);
}

/** @param text of the file */
export function parseMemory(text: string): Memory {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'damaged';
  }
  if (typeof value !== 'object' || value === null) return 'damaged';
  const given = value as Record<string, unknown>;
  const has = (names: string[], fits: (value: unknown) => boolean) => names.every((name) => fits(given[name]));
  const whole =
    has(['outlet_id', 'install_id'], (one) => typeof one === 'string' && one !== '') &&
    has(
      ['epoch', 'system', 'database', 'queue', 'settled_id'],
      (one) => typeof one === 'string' && /^\d+$/.test(one),
    ) &&
    has(['timeline', 'noted_ms'], (one) => typeof one === 'number' && Number.isFinite(one));
  return whole ? (value as Remembered) : 'damaged';
}

/**
 * The server that the outlet works on now, of the list in database.url: an old primary that has come back is not taken for it,
 * as far as this user may read what the daemon remembers.
 * @param urls the same list, where somebody else logs in
 * @throws SyncError as `findPrimary` does
 */
export async function primaryOf(settings: Settings, urls: string[] = settings.database.urls): Promise<string> {
  const memory = await readMemory(settings.state_dir).catch(() => undefined);
  return findPrimary(urls, typeof memory === 'object' ? memory : undefined);
}

/** @throws what the file system says; then the old file stands */
export async function writeMemory(state_dir: string, memory: Remembered): Promise<void> {
  const path = join(state_dir, NAME);
  const fresh = `${path}.new`;
  const file = await open(fresh, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(memory, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(fresh, path);
  // The new name is on disk only once its directory is.
  const directory = await open(state_dir, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
