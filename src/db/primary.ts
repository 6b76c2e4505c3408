/** Finds which server of database.url takes our writes: the list may name standbys, an old primary and poolers. */
import pg from 'pg';
import { SyncError } from '../errors.js';
import { clientConfig } from './connect.js';
import { DIRECTLY, databaseError, nameOf } from './database-error.js';

const MIN_VERSION = 130000;

/** `heeds`: what is set when connecting arrives, which not every pooler passes on; `system`: alike for all copies of one database. */
type Server = { version: number; recovery: boolean; heeds: boolean; system: string; timeline: number };

/** A server in recovery is on no timeline of its own. */
const SERVER = `
  SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS recovery,
         current_setting('search_path') = 'pg_catalog' AS heeds,
         (SELECT system_identifier::text FROM pg_control_system()) AS system,
         CASE WHEN pg_is_in_recovery() THEN 0
              ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END AS timeline`;

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
