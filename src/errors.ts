/**
 * The one kind of error that syncd throws on purpose: what went wrong, why, and what to do about it. Everything that reaches
 * a person is printed from here, and the exit code of a command is derived from `code`, never from a message.
 */

/** Exit codes of every command but `status`, after sysexits.h where it has one. */
export const EXIT = { done: 0, failed: 1, usage: 64, unavailable: 69, anotherDaemon: 75, configuration: 78 } as const;

export type ErrorCode = keyof Omit<typeof EXIT, 'done'>;

export class SyncError extends Error {
  readonly code: ErrorCode;
  /** What to type or to look at next; one or more lines, empty where nothing helps. */
  readonly hint: string;

  /** @param message `what: why`, without a full stop, fit to be read aloud. */
  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SyncError';
    this.code = code;
    this.hint = options.hint ?? '';
  }
}

/** What to type where the database does not match the configuration: the daemon's own user has no right to. */
export const INSTALL = 'sudo -u postgres syncd install';

/** The words of anything that was thrown, in one line. Network errors often hide theirs in `errors` or `cause`. */
export function wordsOf(error: unknown): string {
  const [first] = severalIn(error);
  if (first !== undefined) return wordsOf(first);
  if (error instanceof Error) return (error.message || error.name).replaceAll(/\s*\n\s*/g, ' ');
  return String(error);
}

/** The code that Postgres or Node gave an error (`42P01`, `ECONNREFUSED`); undefined where it has none. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === 'string') return code;
  const [first] = severalIn(error);
  return first === undefined ? undefined : codeOf(first);
}

/** What Node collects of the addresses of one name, in an AggregateError. */
function severalIn(error: unknown): unknown[] {
  const errors = (error as { errors?: unknown } | null | undefined)?.errors;
  return Array.isArray(errors) ? errors : [];
}
