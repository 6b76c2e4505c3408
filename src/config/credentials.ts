/**
 * What systemd hands over: one file for each credential, in a directory that nobody else can enter, copied when the service was
 * started. A unit names every credential that there may be; one that is blank was not given.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../errors.js';

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
