/**
 * What every command that works through PostgreSQL begins with: the common options, the settings without the cloud's secrets,
 * one connection. Whatever goes wrong inside leaves as an error that says what to do and shows no secret.
 */
import type { Command } from 'commander';
import { type LoadedSettings, loadSettings } from '../config/load.js';
import type { Db } from '../db/connect.js';
import { SyncError } from '../errors.js';
import { redactText } from '../redact.js';

export type CommonOptions = { config?: string; json?: boolean; color?: boolean; verbose?: boolean };

/** The options that every command takes, wherever on the line they stood. */
export function commonOptions(command: Command): CommonOptions {
  return command.optsWithGlobals<CommonOptions>();
}

export type Session = { loaded: LoadedSettings; url: string; db: Db };

/** Opens the database, acts, closes it. `role` is shown in pg_stat_activity. */
export async function withDatabase<T>(
  options: CommonOptions,
  role: string,
  act: (session: Session) => Promise<T>,
): Promise<T> {
  const loaded = loadSettings({ file: options.config, secrets: 'left' });
  const { databaseError, LOCKED_FOR, openDb } = await import('../db/connect.js');
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
