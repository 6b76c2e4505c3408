/**
 * Opens connections to the POS's PostgreSQL. Owns how they are set up: values as text, hidden rows as errors, settings that
 * make texts unambiguous. A daemon uses one connection per role (pg queues a second query on the same one); commands use one.
 */
import { userInfo } from 'node:os';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import '../dialling.js';
import { codeOf, SyncError, wordsOf } from '../errors.js';
import { preparing } from './prepared.js';
import type { Database } from './schema.js';

export type Db = Kysely<Database>;

const MIN_VERSION = 130000;

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

/**
 * Finds whoever has held a lock for so long, as the role syncd too. Locks go with their transaction; asked by its age, it also
 * finds those of rows, which stand in no list of locks.
 */
const LOCKERS =
  "SELECT pid, usename, state, xact_start, query FROM pg_stat_activity WHERE datname = current_database() AND xact_start < now() - interval '5 s' ORDER BY xact_start;";

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

/**
 * The first URL of the list whose server takes writes, and is no old primary that has come back beside the promoted one.
 * @param latest the timeline that the outlet has worked on: no server on an earlier one is taken. Where it is not known, all of
 *   the list are asked, and of the copies of one server the one on the latest timeline is taken
 * @throws SyncError `unavailable` when none answers, `configuration` when the server is too old or refuses the login.
 */
export async function findPrimary(urls: string[], latest?: { system: string; timeline: number }): Promise<string> {
  const faults: SyncError[] = [];
  let found: (Server & { url: string }) | undefined;
  for (const url of urls) {
    const client = new pg.Client(clientConfig(url, { role: 'probe' }));
    client.on('error', () => {});
    try {
      await client.connect();
      const { rows } = await client.query<Server>(SERVER);
      const server = rows[0] as Server;
      if (server.version < MIN_VERSION) {
        throw new SyncError(
          'configuration',
          `${nameOf(url)} is PostgreSQL ${Math.floor(server.version / 10_000)}: too old`,
          {
            hint: 'syncd needs PostgreSQL 13 or newer.',
          },
        );
      }
      if (!server.heeds)
        throw new SyncError('unavailable', `${nameOf(url)} is a pooler that keeps our settings to itself`, {
          hint: DIRECTLY,
        });
      const outdated =
        urls.length > 1 && latest !== undefined && server.system === latest.system && server.timeline < latest.timeline;
      if (!server.recovery && !outdated) {
        if (latest !== undefined || urls.length === 1) return url;
        if (!found || (server.system === found.system && server.timeline > found.timeline)) found = { ...server, url };
        continue;
      }
      if (outdated && !server.recovery) {
        const message = `${nameOf(url)} is an old primary: it is on timeline ${server.timeline}, and this outlet has worked on ${latest.timeline}`;
        const hint = 'Make it a standby of the promoted server, or take it out of database.url.';
        faults.push(new SyncError('unavailable', message, { hint }));
        continue;
      }
      faults.push(
        new SyncError('unavailable', `${nameOf(url)} is a standby: it takes no writes`, {
          hint: 'Name the primary in database.url; a list is tried in order.',
        }),
      );
    } catch (error) {
      faults.push(databaseError(error, url));
    } finally {
      await client.end().catch(() => {});
    }
  }
  if (found) return found.url;
  const worst = faults.find((fault) => fault.code === 'configuration');
  const [first] = faults;
  if (worst || !first) throw worst ?? new SyncError('configuration', 'no database.url');
  if (faults.length === 1) throw first;
  const each = faults.map((fault) => fault.message).join('; ');
  throw new SyncError('unavailable', `no server in database.url takes writes: ${each}`, { hint: first.hint });
}

type Server = { version: number; recovery: boolean; heeds: boolean; system: string; timeline: number };

/** A server in recovery is on no timeline of its own. */
const SERVER = `
  SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS recovery,
         current_setting('search_path') = 'pg_catalog' AS heeds,
         (SELECT system_identifier::text FROM pg_control_system()) AS system,
         CASE WHEN pg_is_in_recovery() THEN 0
              ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END AS timeline`;

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
const DIRECTLY = 'Name the server itself in database.url: syncd needs sessions, and settings, of its own.';

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
      hint: 'Run: sudo -u postgres syncd install',
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
