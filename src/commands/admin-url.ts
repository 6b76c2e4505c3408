/** Which login `install` and `uninstall` use: they need rights that the daemon must not have. */
import { userInfo } from 'node:os';
import type { Settings } from '../config/settings.js';
import { findPrimary } from '../db/connect.js';

/** The URL given, else the configured database as the user who calls, where the configured one is the daemon's peer login. */
export function adminUrl(given: string | undefined, settings: Settings): Promise<string> {
  return given === undefined ? findPrimary(settings.database.urls.map(asCaller)) : Promise.resolve(given);
}

/** The same, of one URL. */
export function asCaller(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    return url;
  }
  if (parsed.password !== '' || (parsed.username !== '' && parsed.username !== 'syncd')) return url;
  // As a parameter: a URL without a host (`postgres:///pos`) cannot carry a user in front of one.
  if (!parsed.searchParams.has('user')) parsed.searchParams.set('user', userInfo().username);
  return parsed.href;
}
