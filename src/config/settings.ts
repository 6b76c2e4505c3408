/**
 * What a validated configuration looks like to the rest of the program: every default filled in, every duration in
 * milliseconds, every size in bytes, every secret already read from its file or from the environment.
 */

export type Direction = 'push' | 'pull' | 'both';
export type Strategy = 'cloud_wins' | 'local_wins' | 'newest_wins' | 'merge' | 'manual';
export type Compression = 'auto' | 'gzip' | 'br' | 'none';

export type EntitySettings = {
  /** As written: schema and table, quoted where SQL wants quotes. */
  table: string;
  /** Undefined: the primary key. */
  key: string[] | undefined;
  direction: Direction;
  conflict: Strategy | undefined;
  merge_fallback: Strategy;
  exclude: string[];
  coalesce: boolean;
  delta: string[];
  local: string[];
  date_field: string | undefined;
  money_field: string | undefined;
};

export type Settings = {
  outlet: { id: string; code: string | undefined; timezone: string };
  /** Tried in order for a server that is not in recovery. */
  database: { urls: string[] };
  state_dir: string;
  cloud: {
    url: string;
    timeoutMs: number;
    apiKey: string | undefined;
    compression: Compression;
    ca: string | undefined;
  };
  sync: {
    enabled: boolean;
    intervalMs: number;
    conflict: Strategy;
    retry: RetrySettings;
  };
  /** In the order of the file. */
  entities: Map<string, EntitySettings>;
  capture: { notify: 'gate' | 'always' | 'never'; on_error: 'continue' | 'block' };
  /** When status speaks of trouble; a rate of 0.05 is 5 %. */
  alerts: { failureRate: number; windowMs: number; oldestPendingMs: number; offlineMs: number };
  log: { level: 'error' | 'warn' | 'info' | 'debug'; format: 'json' | 'text' | undefined };
};

/** After the first send: `maxRetries` more, the n-th `initialBackoffMs * multiplier^(n-1)` later, never above the cap. */
export type RetrySettings = { maxRetries: number; initialBackoffMs: number; maxBackoffMs: number; multiplier: number };
