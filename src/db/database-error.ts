/** Says what PostgreSQL, or the way to it, has against us in words that a person can act on. */
import { codeOf, INSTALL, SyncError, wordsOf } from '../errors.js';

/** The server's name for people: never a user's password. */
export function nameOf(url: string): string {
  try {
    const parsed = new URL(url);
    const host = parsed.searchParams.get('host') ?? (decodeURIComponent(parsed.hostname) || 'localhost');
    const port = parsed.searchParams.get('port') ?? parsed.port;
    return `${host}${port ? `:${port}` : ''}${decodeURI(parsed.pathname)}`;
  } catch {
    return 'the database';
  }
}

/** Told to ignore our settings, a pooler would let row security hide rows from us, and dates come in the server's own style. */
export const DIRECTLY = 'Name the server itself in database.url: syncd needs sessions, and settings, of its own.';

/**
 * Finds whoever has held a lock for so long, as the role syncd too. Locks go with their transaction; asked by its age, it also
 * finds those of rows, which stand in no list of locks.
 */
const LOCKERS =
  "SELECT pid, usename, state, xact_start, query FROM pg_stat_activity WHERE datname = current_database() AND xact_start < now() - interval '5 s' ORDER BY xact_start;";

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ETIMEDOUT',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
]);

/** Translates what pg threw into what a person can act on. */
export function databaseError(error: unknown, url: string): SyncError {
  if (error instanceof SyncError) return error;
  const code = codeOf(error) ?? '';
  const server = nameOf(url);
  if (code === '28P01' || code === '28000') {
    return new SyncError('configuration', `${server} refuses the login: ${wordsOf(error)}`, {
      hint: 'Check user and password. With peer authentication run it as the user that the role is named after (sudo -u syncd syncd …); before the first syncd install there is no role syncd.',
      cause: error,
    });
  }
  if (code === '3D000') {
    return new SyncError('configuration', `${server}: ${wordsOf(error)}`, {
      hint: 'Check the database name in database.url.',
      cause: error,
    });
  }
  if (code === '3F000' || code === '42P01') {
    return new SyncError('configuration', `${server} has no syncd schema, or an older one: ${wordsOf(error)}`, {
      hint: `Run: ${INSTALL}`,
      cause: error,
    });
  }
  if (code === '42501') {
    return new SyncError('configuration', `${server}: ${wordsOf(error)}`, {
      hint: 'Run the command as the syncd user (sudo -u syncd syncd …), or run syncd install again to grant what is missing.',
      cause: error,
    });
  }
  if (code === '55P03') {
    return new SyncError('unavailable', `${server}: somebody else holds a lock on what this needs: ${wordsOf(error)}`, {
      hint: `Try again when it is gone. Whose it may be, the oldest first: ${LOCKERS}`,
      cause: error,
    });
  }
  if (wordsOf(error).startsWith('unsupported startup parameter')) {
    return new SyncError('unavailable', `${server} is a pooler, not PostgreSQL itself: ${wordsOf(error)}`, {
      hint: DIRECTLY,
      cause: error,
    });
  }
  if (isConnectionLoss(error)) {
    return new SyncError('unavailable', `${server} does not answer: ${wordsOf(error)}`, {
      hint: 'Is PostgreSQL running, and does database.url name its host, port or socket directory?',
      cause: error,
    });
  }
  return new SyncError('failed', `${server}: ${wordsOf(error)}`, { cause: error });
}

/** True where the connection is gone or cannot be made and a later try may succeed. */
export function isConnectionLoss(error: unknown): boolean {
  const code = codeOf(error instanceof SyncError ? error.cause : error);
  // Class 08 is "connection exception", 57P0x a shutdown or start-up, 53300 too many connections.
  if (code) return UNREACHABLE.has(code) || code.startsWith('08') || code.startsWith('57P0') || code === '53300';
  // pg's own words for a lost link are plain Errors without a code; a TypeError is a fault of ours.
  return error instanceof Error && error.constructor === Error && !('severity' in error);
}
