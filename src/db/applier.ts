/**
 * The connection that writes into the POS's tables, where the POS's own triggers run with it. So the search_path is the
 * database's own (without "$user": that would be our schema), and waiting for a lock ends long before a sale would be made to
 * wait for us, or the server take a sale for the victim of a deadlock.
 */
import pg from 'pg';
import { clientConfig, type Db, openDb, UNSCANNED } from './connect.js';
import { databaseError } from './database-error.js';
import { noteConnectionError } from './holding.js';

/** While we wait for one row we may hold others, which a sale may want. */
const LOCK_TIMEOUT_MS = 50;

/** @throws SyncError as `openClient` does */
export async function openApplier(url: string, role: string, queryTimeoutMs = 60_000): Promise<Db> {
  const settings = [`search_path=${await ownSearchPath(url, role)}`, `lock_timeout=${LOCK_TIMEOUT_MS}`];
  // A commit that a crash undoes is repeated: what is applied leaves the table of incoming changes in the same transaction.
  settings.push('synchronous_commit=off', 'lc_monetary=C');
  // Rows are found by their keys, and what a shop works with is in memory: by the usual price the planner reads all of a table
  // of 100,000 rows to change a thousand, with those locked meanwhile.
  settings.push('random_page_cost=0.1');
  settings.push(...UNSCANNED);
  const onError = (error: Error) => noteConnectionError(db, error);
  const db = openDb(url, { role, queryTimeoutMs, settings: settings.map(escaped), prepared: true, onError });
  return db;
}

/** What a session of this role has here when nothing is asked for. */
async function ownSearchPath(url: string, role: string): Promise<string> {
  const client = new pg.Client({ ...clientConfig(url, { role }), options: '' });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ path: string }>("SELECT current_setting('search_path') AS path");
    const names = (rows[0]?.path ?? '').split(',').map((name) => name.trim());
    return names.filter((name) => name !== '"$user"' && name !== '$user' && name !== '').join(',');
  } catch (error) {
    throw databaseError(error, url);
  } finally {
    await client.end().catch(() => {});
  }
}

/** A setting for the options of a connection, which end at a blank. */
function escaped(setting: string): string {
  return setting.replaceAll(/[\\\s]/g, '\\$&');
}
