/** Settings of the server that make sales unsafe, syncing slow, or both. */
import { sql } from 'kysely';
import { fail, ok, type Unnamed, warn } from '../finding.js';
import type { Check } from '../patient.js';

type Server = {
  encoding: string;
  fsync: boolean;
  full_page_writes: boolean;
  autovacuum: boolean;
  prepared: number;
  read_only: boolean;
  statement_timeout_ms: number;
  idle_timeout_ms: number;
  session_timeout_ms: number;
  connections_free: number;
  /** The smallest that holds for anybody here, in bytes; null: there is none. */
  temp_file_limit: number | null;
};

/** The daemon's own connections, and some for commands and the admin port. */
const CONNECTIONS = 12;
const SMALLEST_TEMP_BYTES = 1024 ** 3;
const SHORTEST_TIMEOUT_MS = 30_000;

export const server: Check = {
  name: 'server',
  needs: ['database'],
  async look({ db }) {
    const { rows } = await sql<Server>`
      SELECT current_setting('server_encoding') AS encoding, current_setting('fsync')::boolean AS fsync, current_setting('full_page_writes')::boolean AS full_page_writes,
             current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean AS autovacuum,
             current_setting('max_prepared_transactions')::int AS prepared,
             current_setting('default_transaction_read_only')::boolean AS read_only,
             (SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout') AS statement_timeout_ms,
             (SELECT setting::int FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout') AS idle_timeout_ms,
             -- From 14 on.
             coalesce((SELECT setting::int FROM pg_settings WHERE name = 'idle_session_timeout'), 0) AS session_timeout_ms,
             (SELECT min(bytes)::float8 FROM (
                SELECT setting::bigint * 1024 FROM pg_settings WHERE name = 'temp_file_limit'
                UNION ALL
                SELECT CASE WHEN given.value ~ '^-?[0-9]+$' THEN given.value::bigint * 1024 ELSE pg_size_bytes(given.value) END
                FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS one
                CROSS JOIN LATERAL (SELECT split_part(one, '=', 2)) AS given(value)
                WHERE split_part(one, '=', 1) = 'temp_file_limit'
                  AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))) AS l(bytes)
              WHERE bytes >= 0) AS temp_file_limit,
             current_setting('max_connections')::int - (SELECT sum(numbackends)::int FROM pg_stat_database) AS connections_free
      `.execute(db);
    const found = judgeServer(rows[0] as Server);
    return found.length > 0 ? found : [ok('its settings suit a shop')];
  },
};

/** Pure, so that every row of it can be tested. */
export function judgeServer(server: Server): Unnamed[] {
  const found: Unnamed[] = [];
  if (!server.fsync)
    found.push(
      fail(
        'fsync is off',
        'A power cut can destroy the whole database, sales included.',
        'ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();',
      ),
    );
  if (!server.full_page_writes)
    found.push(
      warn(
        'full_page_writes is off',
        'A power cut can leave pages half written.',
        'ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();',
      ),
    );
  if (server.encoding === 'SQL_ASCII')
    found.push(
      warn(
        'the database is in SQL_ASCII, which takes any bytes for text',
        'A row that is not UTF-8 text cannot be sent: its change fails until the row is corrected.',
        'syncd queue --status failed   # to be rid of it, restore a dump into a database WITH ENCODING UTF8',
      ),
    );
  if (!server.autovacuum)
    found.push(
      warn(
        'autovacuum is off',
        'The queue grows on disk with every sale and is never tidied.',
        'ALTER SYSTEM SET autovacuum = on; ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();',
      ),
    );
  if (server.read_only)
    found.push(
      fail(
        'default_transaction_read_only is on for this role',
        'Nothing that the cloud answers can be written down.',
        'ALTER ROLE syncd RESET default_transaction_read_only;',
      ),
    );
  if (server.prepared > 0)
    found.push(
      warn(
        `max_prepared_transactions is ${server.prepared}`,
        'A sale cannot wake the daemon then, so changes leave up to a second later.',
        'ALTER SYSTEM SET max_prepared_transactions = 0;   # and restart PostgreSQL, if nothing uses two-phase commit',
      ),
    );
  for (const [name, ms] of [
    ['statement_timeout', server.statement_timeout_ms],
    ['idle_in_transaction_session_timeout', server.idle_timeout_ms],
  ] as const)
    if (ms > 0 && ms < SHORTEST_TIMEOUT_MS)
      found.push(
        warn(
          `${name} is ${ms} ms for this role`,
          'Long but ordinary work of syncd is cut off and begins again.',
          `ALTER ROLE syncd SET ${name} = 0;`,
        ),
      );
  if (server.session_timeout_ms > 0)
    found.push(
      warn(
        `idle_session_timeout is ${server.session_timeout_ms} ms for this role`,
        'On a quiet evening syncd loses its connections again and again, and begins anew each time.',
        'ALTER ROLE syncd SET idle_session_timeout = 0;',
      ),
    );
  if (server.temp_file_limit !== null && server.temp_file_limit < SMALLEST_TEMP_BYTES)
    found.push(
      warn(
        `temp_file_limit is ${Math.floor(server.temp_file_limit / 1024)} kB, here or for a role`,
        'A statement of the POS that changes many rows at once fails: PostgreSQL keeps them for the triggers in temporary files.',
        'ALTER SYSTEM SET temp_file_limit = -1; SELECT pg_reload_conf();   # where a role has one: ALTER ROLE … RESET temp_file_limit',
      ),
    );
  if (server.connections_free < CONNECTIONS)
    found.push(
      warn(
        `${server.connections_free} connections are free`,
        `The daemon uses up to ${CONNECTIONS}, and the till must never find none.`,
        'ALTER SYSTEM SET max_connections = 100;   # or more than now, and restart PostgreSQL',
      ),
    );
  return found;
}
