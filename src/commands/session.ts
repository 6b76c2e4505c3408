/**
 * What every command that works through PostgreSQL begins with: the common options, the settings without the cloud's secrets,
 * one connection. Whatever goes wrong inside leaves as an error that says what to do and shows no secret.
 */
import type { Command } from 'commander';
import { areKeptFromThisUser } from '../config/credentials.js';
import { ConfigurationError } from '../config/faults.js';
import { type LoadedSettings, loadSettings } from '../config/load.js';
import type { SecretUse } from '../config/secrets.js';
import type { Db } from '../db/connect.js';
import { SyncError } from '../errors.js';
import { redactText } from '../redact.js';

export type CommonOptions = { config?: string; json?: boolean; color?: boolean; verbose?: boolean };

/** The options that every command takes, wherever on the line they stood. */
export function commonOptions(command: Command): CommonOptions {
  return command.optsWithGlobals<CommonOptions>();
}

export type Session = { loaded: LoadedSettings; url: string; db: Db };

/**
 * The settings with the key to the cloud, for the commands that ask it themselves.
 * @throws SyncError `configuration`; where root keeps the key, and no daemon runs that has a copy, it says that and finds no
 *   fault with the file
 */
export function loadWithSecrets(options: CommonOptions): LoadedSettings {
  const load = (secrets: SecretUse) => loadSettings({ file: options.config, secrets });
  try {
    return load('needed');
  } catch (error) {
    if (!(error instanceof ConfigurationError) || !onlySecretsAreKept(error, load)) throw error;
    throw new SyncError('configuration', 'only root may read the key to the cloud, and the daemon while it runs', {
      hint: 'Start the daemon, and type this as its user: sudo systemctl start syncd; sudo -u syncd syncd …',
      cause: error,
    });
  }
}

/** Nothing is wrong but that this user may not look at the daemon's secrets. */
export function onlySecretsAreKept(
  { file }: ConfigurationError,
  load: (secrets: SecretUse) => LoadedSettings,
): boolean {
  if (!areKeptFromThisUser(file)) return false;
  try {
    load('shown');
    return true;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return false;
  }
}

/** Opens the database, acts, closes it. `role` is shown in pg_stat_activity. */
export async function withDatabase<T>(
  options: CommonOptions,
  role: string,
  act: (session: Session) => Promise<T>,
): Promise<T> {
  const loaded = loadSettings({ file: options.config, secrets: 'left' });
  const { databaseError } = await import('../db/database-error.js');
  const { LOCKED_FOR, openDb } = await import('../db/connect.js');
  const { urls } = loaded.settings.database;
  let url = urls[0] as string;
  try {
    if (urls.length > 1) url = await (await import('../ops/identity/file.js')).primaryOf(loaded.settings);
    const db = openDb(url, { role, connectTimeoutMs: 5_000, queryTimeoutMs: 30_000, settings: [LOCKED_FOR] });
    try {
      return await act({ loaded, url, db });
    } finally {
      await db.destroy();
    }
  } catch (error) {
    // A mistake of ours must not be told as the server's.
    if (error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError) throw error;
    throw withoutSecrets(databaseError(error, url), loaded.secrets);
  }
}

function withoutSecrets(error: SyncError, secrets: string[]): SyncError {
  const clean = redactText(error.message, secrets);
  return clean === error.message ? error : new SyncError(error.code, clean, { hint: error.hint });
}
