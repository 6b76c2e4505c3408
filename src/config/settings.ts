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
  /** Tables, as written, that the POS's own triggers on this table write. */
  also_writes: string[];
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
    /** How long the cloud may keep a pull waiting; 0: no long poll. */
    longPollMs: number;
    /** RFC 3339, as written; goes with the very first pull alone. */
    since: string | undefined;
    conflict: Strategy;
    retry: RetrySettings;
  };
  /** In the order of the file. */
  entities: Map<string, EntitySettings>;
  /** Undefined: no webhook listener. */
  webhook: WebhookSettings | undefined;
  admin: AdminSettings;
  capture: { notify: 'gate' | 'always' | 'never'; on_error: 'continue' | 'block' };
  /** When status speaks of trouble; a rate of 0.05 is 5 %. */
  alerts: {
    failureRate: number;
    windowMs: number;
    oldestPendingMs: number;
    offlineMs: number;
    /** Who is told. */
    send: AlertTarget[];
  };
  /** How long what is settled is kept; `queueMs` is never the shorter one. */
  retention: { queueMs: number; logsMs: number };
  /** Undefined: nobody watches the disk. `warnMs`: days left of which status speaks; below `floorBytes` capture suspends itself. */
  disk: { path: string; warnMs: number; floorBytes: number } | undefined;
  log: { level: 'error' | 'warn' | 'info' | 'debug'; format: 'json' | 'text' | undefined };
};

/** A URL often holds a secret: it is never shown. */
export type AlertTarget = { url: string } | { command: string[] };

/** An address to listen on; port 0 takes any free one. */
export type Listen = { host: string; port: number };

export type WebhookSettings = {
  listen: Listen;
  profile: 'auto' | 'body' | 'timestamped' | 'standard';
  /** Checked when the settings were loaded, read again by the listener: secrets are exchanged while it runs. */
  secretsFile: string;
  /** Addresses and networks, never empty. */
  allowIps: string[];
  trustedProxies: string[];
};

export type AdminSettings = {
  listen: Listen;
  /** Undefined: a token of our own making in the state directory. */
  tokenFile: string | undefined;
  /** Undefined: nobody may only look. */
  readTokenFile: string | undefined;
  /** Names beside the address itself and this machine's own under which it may be called. */
  hosts: string[];
};

/** After the first send: `maxRetries` more, the n-th `initialBackoffMs * multiplier^(n-1)` later, never above the cap. */
export type RetrySettings = { maxRetries: number; initialBackoffMs: number; maxBackoffMs: number; multiplier: number };
