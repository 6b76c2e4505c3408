/**
 * The directory for the little that the daemon keeps outside of the database. Made where its parent allows; tried by writing,
 * because rights, a full disk and a read-only mount look alike from outside. Only the daemon needs it.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { codeOf, SyncError } from '../errors.js';

const REASONS: Record<string, string> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of this user is used up',
  ENOTDIR: 'a part of its path is a file',
  EEXIST: 'a file stands in its place',
};

/** What a daemon that has run leaves there. */
export const OWN_FILES = ['identity.json', 'admin_token'];

/** What may be over at the next start, so that the service manager has to try again: rights and paths wait for a person. */
const PASSING: Record<string, (directory: string) => string> = {
  EROFS: (directory) => `Why is the disk read-only? See: dmesg | tail; findmnt -T ${directory}`,
  ENOSPC: (directory) => `Make room on that disk: df -h ${directory}`,
  EDQUOT: (directory) => `Make room, or raise the quota of ${userName()}: df -h ${directory}`,
};

/** @throws SyncError when nothing can be written there: `failed` where that may pass by itself, otherwise `configuration` */
export function prepareStateDir(directory: string): void {
  try {
    makeDirectory(directory);
    const probe = join(directory, `.probe-${process.pid}`);
    try {
      writeFileSync(probe, 'x', { mode: 0o600 });
    } finally {
      // A full disk leaves an empty file, one for each of the service manager's tries.
      rmSync(probe, { force: true });
    }
  } catch (error) {
    throw unusable(directory, error);
  }
}

/** @param error what the file system said */
export function unusable(directory: string, error: unknown): SyncError {
  const code = codeOf(error) ?? '';
  const passing = PASSING[code];
  const reason = REASONS[code] ?? (code || 'unknown reason');
  return new SyncError(passing ? 'failed' : 'configuration', `state_dir: ${directory} cannot be used: ${reason}`, {
    hint:
      passing?.(directory) ??
      (holdsOthers(directory)
        ? `It holds what is not syncd's: name a directory of its own, such as /var/lib/syncd`
        : `Make it, and give it to the user that syncd runs as: install -d -o ${userName()} -m 0750 ${directory}`),
    cause: error,
  });
}

/** Whoever was told to take `/var/lib` over would shut PostgreSQL out of its own data. */
function holdsOthers(directory: string): boolean {
  try {
    const names = readdirSync(directory);
    return names.length > 0 && !OWN_FILES.some((name) => names.includes(name));
  } catch {
    return false;
  }
}

/** With its parents. Not by `recursive: true`, which never returns where a file system answers ENOENT to every mkdir (/proc). */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  if (dirname(directory) !== directory) makeDirectory(dirname(directory));
  mkdirSync(directory, { mode: 0o750 });
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'syncd';
  }
}
