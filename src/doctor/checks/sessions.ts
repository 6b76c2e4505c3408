/** Sessions and roles of others that keep changes from being captured, or the queue from being tidied. */
import { sql } from 'kysely';
import { age, count } from '../../ops/status/words.js';
import { fail, ok, type Unnamed, warn } from '../finding.js';
import type { Check } from '../patient.js';

type Sessions = {
  role: string;
  visible: boolean;
  long: { pid: number; user: string; age_ms: number }[];
  prepared: { gid: string; age_ms: number }[];
  replica: string[];
  subscriptions: number;
};

const LONG_MS = 10 * 60_000;

export const sessions: Check = {
  name: 'sessions',
  needs: ['database'],
  async look({ db }) {
    const { rows } = await sql<{ found: string }>`
      SELECT json_build_object(
        'role', current_user, 'visible', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
        'long', (SELECT coalesce(json_agg(json_build_object('pid', pid, 'user', usename, 'age_ms', extract(epoch FROM clock_timestamp() - xact_start) * 1000) ORDER BY xact_start), '[]')
                 FROM pg_stat_activity WHERE datname = current_database() AND xact_start < clock_timestamp() - ${LONG_MS} * interval '1 ms'),
        'prepared', (SELECT coalesce(json_agg(json_build_object('gid', gid, 'age_ms', extract(epoch FROM clock_timestamp() - prepared) * 1000) ORDER BY prepared), '[]')
                     FROM pg_prepared_xacts WHERE database = current_database() AND prepared < clock_timestamp() - ${LONG_MS} * interval '1 ms'),
        'replica', (SELECT coalesce(json_agg(coalesce(r.rolname, 'every role')), '[]') FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
                    WHERE 'session_replication_role=replica' = ANY (s.setconfig) AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))),
        'subscriptions', (SELECT count(*) FROM pg_stat_subscription))::text AS found`.execute(db);
    const found = judgeSessions(JSON.parse((rows[0] as { found: string }).found));
    return found.length > 0 ? found : [ok('no transaction of others has been open for long')];
  },
};

/** Pure, so that every row of it can be tested. */
export function judgeSessions({ role: self, visible, long, prepared, replica, subscriptions }: Sessions): Unnamed[] {
  const found: Unnamed[] = [];
  for (const role of replica)
    found.push(
      fail(
        `${role} works with session_replication_role = replica`,
        'No trigger fires for it: what it writes is never captured.',
        role === 'every role'
          ? 'ALTER DATABASE … RESET session_replication_role;'
          : `ALTER ROLE ${role} RESET session_replication_role;`,
      ),
    );
  if (subscriptions > 0)
    found.push(
      warn(
        `${count(subscriptions, 'logical subscription')} brings rows into this database`,
        'Rows that a subscription writes fire no ordinary trigger and are not captured.',
        'SELECT subname FROM pg_subscription;',
      ),
    );
  for (const { pid, user, age_ms } of long.slice(0, 3))
    found.push(
      warn(
        `a transaction of ${user} has been open for ${age(age_ms)} (pid ${pid})`,
        'What it has written cannot be sent before it ends, and the queue on disk cannot be tidied meanwhile.',
        `SELECT pg_terminate_backend(${pid});   # if nobody needs it any more`,
      ),
    );
  for (const { gid, age_ms } of prepared.slice(0, 3))
    found.push(
      warn(
        `a prepared transaction has been waiting for ${age(age_ms)}: ${gid}`,
        'It keeps its locks and its changes until somebody ends it, also over restarts.',
        `ROLLBACK PREPARED '${gid.replaceAll("'", "''")}';   # or COMMIT PREPARED`,
      ),
    );
  if (!visible)
    found.push(
      warn(
        'how long the transactions of others are open cannot be seen',
        'One that somebody leaves open holds changes back, and nobody would find out whose it is.',
        `sudo -u postgres psql -c 'GRANT pg_read_all_stats TO ${self}'   # what syncd install does too, where it may`,
      ),
    );
  return found;
}
