/**
 * Which login `install` and `uninstall` use: they need rights that the daemon must not have. Who lacks them is told how to come by
 * them; what is told of other commands, to be the user syncd, would lead astray here.
 */
import { userInfo } from 'node:os';
import { DAEMON } from '../capture/names.js';
import { administratorsLogin } from '../capture/rights.js';
import { databaseUrl } from '../config/scalars.js';
import type { Settings } from '../config/settings.js';
import { codeOf, SyncError } from '../errors.js';
import { primaryOf } from '../ops/identity/file.js';

/** invalid_password, invalid_authorization_specification, insufficient_privilege */
const NO_RIGHT = ['28P01', '28000', '42501'];

/**
 * Runs a command that needs such a login.
 * @throws SyncError whatever the work throws, with the hint for an administrator where the server refuses the login or the right
 */
export async function asAdministrator<T>(
  name: 'install' | 'uninstall',
  given: string | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (given !== undefined && databaseUrl(given) === undefined) {
    throw new SyncError('usage', '--admin-url is no PostgreSQL URL with a database in it', {
      hint: `Such as: syncd ${name} --admin-url 'postgres://admin@127.0.0.1/pos'`,
    });
  }
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SyncError) || !NO_RIGHT.includes(codeOf(error.cause) ?? '')) throw error;
    throw new SyncError(error.code, error.message, { hint: administratorsLogin(name), cause: error.cause });
  }
}

/** The URL given, else the configured database as the user who calls, where the configured one is the daemon's peer login. */
export function adminUrl(given: string | undefined, settings: Settings): Promise<string> {
  return given === undefined ? primaryOf(settings, settings.database.urls.map(asCaller)) : Promise.resolve(given);
}

/** The same, of one URL. */
export function asCaller(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    return url;
  }
  const user = parsed.searchParams.get('user') ?? parsed.username;
  if (parsed.password !== '' || parsed.searchParams.has('password') || !['', DAEMON].includes(user)) return url;
  // As a parameter: a URL without a host (`postgres:///pos`) cannot carry a user in front of one.
  parsed.searchParams.set('user', userInfo().username);
  return parsed.href;
}
