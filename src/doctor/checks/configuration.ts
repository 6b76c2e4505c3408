/** The configuration and the files that it names: does it read, may the daemon read and write what it needs? */
import { constants } from 'node:fs';
import { access, readFile, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fault } from '../../config/faults.js';
import type { LoadedSettings } from '../../config/load.js';
import { OWN_FILES } from '../../config/state-dir.js';
import { codeOf } from '../../errors.js';
import { readMemory } from '../../ops/identity/file.js';
import { fail, ok, skipped, type Unnamed, warn } from '../finding.js';
import type { Check } from '../patient.js';

const ROOM_BYTES = 100 * 1024 * 1024;

export function configurationOf({
  file = 'the configuration of the daemon',
  settings,
  warnings,
}: Pick<LoadedSettings, 'settings' | 'warnings'> & { file: string | undefined }): Unnamed[] {
  const entities = settings.entities.size;
  const found = warnings.map((text) =>
    warn(text, 'A secret that others can read is no secret, and a typing slip waits to be found.'),
  );
  if (entities === 0)
    found.push(
      fail(`${file} names no entity`, 'Nothing is captured and nothing is sent.', 'syncd init   # proposes the tables'),
    );
  return found.length > 0 ? found : [ok(`${file} is in order: ${entities} ${entities === 1 ? 'entity' : 'entities'}`)];
}

/** The configuration where it cannot be loaded at all. */
export function faultyConfiguration(faults: Fault[]): Unnamed[] {
  return faults.map(({ where, path, problem }) =>
    fail(
      [where, path, problem].filter((part) => part !== '').join(': '),
      'With a faulty configuration the daemon does not start; one that runs keeps the old one.',
      'syncd config   # after the correction: shows what counts',
    ),
  );
}

/** The configuration where the secrets are root's, and the daemon that gets copies of them does not run. */
export function secretsKept(): Unnamed {
  return skipped('its secrets were not looked at: only root can, and the daemon once it runs. The rest is in order');
}

async function isShut(path: string): Promise<boolean> {
  try {
    await readFile(path);
    return false;
  } catch (error) {
    return codeOf(error) !== 'ENOENT';
  }
}

export const files: Check = {
  name: 'files',
  needs: [],
  async look({ settings }) {
    const { state_dir } = settings;
    const why = 'The daemon keeps there who this outlet is and its generated token; without it, it does not start.';
    try {
      await stat(state_dir);
      await access(state_dir, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      if (codeOf(error) === 'ENOENT')
        return [warn(`${state_dir} is not there yet`, why, `sudo install -d -o syncd -g syncd -m 0700 ${state_dir}`)];
      return [
        warn(
          `${state_dir} cannot be written by this user`,
          why,
          'sudo -u syncd syncd doctor   # as the daemon sees it',
        ),
      ];
    }
    const { bavail, bsize } = await statfs(state_dir);
    if (bavail * bsize < ROOM_BYTES)
      return [
        warn(
          `${state_dir} has ${Math.round((bavail * bsize) / 1e6)} MB left`,
          'A daemon that runs goes on without it; one that starts anew ends until there is room.',
          `df -h ${state_dir}`,
        ),
      ];
    const kept = OWN_FILES.map((name) => join(state_dir, name));
    const shut = (await Promise.all(kept.map(isShut))).flatMap((closed, i) => (closed ? [kept[i] as string] : []));
    if (shut.length > 0)
      return shut.map((path) =>
        warn(
          `${path} cannot be read by this user`,
          'A daemon that ran as root once leaves it so: the next one does not start, or takes no token on the admin port.',
          `sudo chown --reference=${state_dir} ${path}`,
        ),
      );
    const memory = await readMemory(state_dir).catch(() => undefined);
    if (typeof memory === 'object' && memory.outlet_id !== settings.outlet.id)
      return [
        warn(
          `${state_dir} remembers outlet ${memory.outlet_id}, not ${settings.outlet.id}`,
          'Where two outlets share it each forgets its own database, and one stops after a restart of PostgreSQL.',
          'state_dir   # in syncd.yaml: one of its own for each outlet of this machine',
        ),
      ];
    return [ok(`${state_dir} can be written`)];
  },
};
