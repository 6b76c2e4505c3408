/**
 * What systemd hands over: one file for each credential, in a directory that nobody else can enter, copied when the service was
 * started. A unit names every credential that there may be; one that is blank was not given.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../errors.js';

/** Of the unit: the configuration that it starts with, the secrets that root keeps for it, and the daemon's copies of them. */
export const UNIT = {
  file: '/etc/syncd/syncd.yaml',
  kept: '/etc/syncd/credentials',
  copies: '/run/credentials/syncd.service',
};

/**
 * The environment with the running daemon's credentials: what its user types beside it has to see what the daemon sees. Only
 * with the unit's own configuration; under any other the outlet's key would go to a strange cloud.
 */
export function withCredentials(env: NodeJS.ProcessEnv, file: string, unit = UNIT): NodeJS.ProcessEnv {
  const outside = env.CREDENTIALS_DIRECTORY === undefined && file === unit.file;
  return outside && access(unit.copies) === undefined ? { ...env, CREDENTIALS_DIRECTORY: unit.copies } : env;
}

/** There are secrets for the unit, and this user may not look at them, for the daemon that has copies does not run. */
export function areKeptFromThisUser(file: string, unit = UNIT): boolean {
  return file === unit.file && access(unit.kept) === 'EACCES';
}

function access(directory: string): string | undefined {
  try {
    accessSync(directory, constants.R_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

/** The credential's file; undefined where it was not given. One that cannot be read is given: whoever reads it says why not. */
export function credentialFile(env: NodeJS.ProcessEnv, name: string): string | undefined {
  if (!env.CREDENTIALS_DIRECTORY) return undefined;
  const file = join(env.CREDENTIALS_DIRECTORY, name);
  try {
    return readFileSync(file, 'utf8').trim() === '' ? undefined : file;
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? undefined : file;
  }
}

/**
 * Why a file that this user may not read gave nothing: systemd was to hand it over, and what came is blank, so that there was
 * nothing in the file, or no file, when the service was started. Undefined where nothing was to come.
 */
export function cameBlank(env: NodeJS.ProcessEnv, name: string): string | undefined {
  if (!env.CREDENTIALS_DIRECTORY) return undefined;
  try {
    if (readFileSync(join(env.CREDENTIALS_DIRECTORY, name), 'utf8').trim() !== '') return undefined;
  } catch {
    return undefined;
  }
  return 'was empty or not there when the service was started; put the secret there, then: sudo systemctl restart syncd';
}
