/** The daemon's own words: one line an event, for journald as JSON, for a terminal as text. Never a payload, a key or a token. */

export type LogFields = Record<string, unknown>;

/** error: a person must act; warn: degraded and healing; info: transitions and one line a batch; debug: each change. */
export type Log = Record<'error' | 'warn' | 'info' | 'debug', (message: string, fields?: LogFields) => void>;
