/**
 * Opens connections to the POS's PostgreSQL. Owns how they are set up: values as text, hidden rows as errors, settings that
 * make texts unambiguous. A daemon uses one connection per role (pg queues a second query on the same one); commands use one.
 */
import { userInfo } from 'node:os';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import '../dialling.js';
import { databaseError } from './database-error.js';
import { preparing } from './prepared.js';
import type { Database } from './schema.js';

export type Db = Kysely<Database>;

/** Text for everything that JavaScript would damage: int8, json, jsonb, date, timestamp, timestamptz, numeric, interval, xid8. */
const AS_TEXT = new Set([20, 114, 3802, 1082, 1114, 1184, 1700, 1186, 5069]);
const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    AS_TEXT.has(oid) ? (text: string) => text : pg.types.getTypeParser(oid, format as 'text')) as never,
};

// Without a user in the URL the system's user is meant, as in psql; pg asks $USER alone, which cron and containers leave empty.
pg.defaults.user ??= systemUser();

function systemUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    // A user id without a name: then the URL has to say who connects.
    return undefined;
  }
}

/**
 * Settings of every connection, whatever those of the database or the role are: row security hides nothing silently, texts are ISO
 * and exact, our commits wait for no standby.
 */
const OPTIONS = [
  'row_security=off',
  'synchronous_commit=local',
  'TimeZone=UTC',
  'DateStyle=ISO',
  'IntervalStyle=iso_8601',
  'extra_float_digits=1',
  'bytea_output=hex',
  'client_min_messages=warning',
  'search_path=pg_catalog',
  // Compiling a query takes 50 to 100 ms, as long as the longest of ours runs.
  'jit=off',
  // A till may have two cores: of those that belong to its sales a query of ours takes one.
  'max_parallel_workers_per_gather=0',
  // A database may have other defaults for its POS. Serializable reads of ours would make sales fail that meet them.
  'default_transaction_isolation=read\\ committed',
  // The server notices by itself within half a minute that we cannot be reached any more. By its own count (two hours) the sessions of
  // a line that breaks again and again would take all its connections, and the till would find none.
  'tcp_keepalives_idle=10',
  'tcp_keepalives_interval=5',
  'tcp_keepalives_count=3',
  'array_nulls=on',
  'transform_null_equals=off',
  'standard_conforming_strings=on',
  'quote_all_identifiers=off',
];

/** For a connection that must not read all of the queue: what looks cheap while it is empty is planned once and kept. */
export const UNSCANNED = ['enable_seqscan=off'];

/**
 * For a connection whose every query picks rows by an index. Statistics lag far behind a table that grows from nothing to a
 * million rows while a backlog drains: left to guess, the planner scanned all of entity_state for every page.
 */
export const BY_INDEX = [...UNSCANNED, 'enable_hashjoin=off', 'enable_mergejoin=off'];

/** For a connection whose plans are kept: made when the queue was empty, a plan must do for a million rows. */
export const PLANNED_ONCE = [...UNSCANNED, 'plan_cache_mode=force_generic_plan'];

/** For people: whoever waits behind somebody else's lock is told so. */
export const LOCKED_FOR = 'lock_timeout=5s';

export type ConnectOptions = {
  /** Shown in pg_stat_activity as `syncd <role>`. */
  role: string;
  /** Ends a statement that the server does not answer; default 60 s, 0: never. */
  queryTimeoutMs?: number;
  connectTimeoutMs?: number;
  /** Server settings besides the usual ones. */
  settings?: string[];
  /** Repeated statements are prepared; see db/prepared. */
  prepared?: boolean;
  /** Told what breaks the connection while nothing is asked, and where queries are prepared, what they are answered with. */
  onError?: (error: Error) => void;
};

export function clientConfig(url: string, options: ConnectOptions): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: `syncd ${options.role}`,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
    query_timeout: options.queryTimeoutMs ?? 60_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    options: [...OPTIONS, ...(options.settings ?? [])].map((setting) => `-c ${setting}`).join(' '),
    types,
  };
}

/** One connection of its own; the caller ends it. Errors while idle are left to `onError`. */
export async function openClient(
  url: string,
  options: ConnectOptions,
  onError: (error: Error) => void,
): Promise<pg.Client> {
  const client = new pg.Client(clientConfig(url, options));
  client.on('error', onError);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw databaseError(error, url);
  }
}

/** A Kysely over one lazily opened, self-healing connection. */
export function openDb(url: string, options: ConnectOptions): Db {
  const pool = new pg.Pool({ ...clientConfig(url, options), max: 1, idleTimeoutMillis: 0, allowExitOnIdle: false });
  pool.on('error', () => {});
  // The pool listens only while a connection is idle; one that dies between two queries would take the process along.
  const onError = options.onError ?? (() => {});
  pool.on('connect', (client) => client.on('error', onError));
  const dialect = new PostgresDialect({ pool: options.prepared ? preparing(pool, onError) : pool });
  return new Kysely<Database>({ dialect });
}
