/**
 * Whether a NOTIFY comes through, on a connection as the daemon opens them. A pooler that hands transactions around breaks it,
 * and with it every lock that lasts as long as a session: the one that keeps two daemons apart among them.
 */
import { sql } from 'kysely';
import { openClient } from '../../db/connect.js';
import { monotonicMs, within } from '../../time.js';
import { fail, ok, warn } from '../finding.js';
import type { Check } from '../patient.js';

const CHANNEL = 'syncd_doctor';
const PATIENCE_MS = 3_000;
const FULL = 0.25;

export const notify: Check = {
  name: 'notify',
  needs: ['database'],
  async look({ db, url }) {
    const client = await openClient(url, { role: 'doctor' }, () => {});
    try {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      // A pooler gives its own number for the session at the start, and lends somebody else's session later.
      const told = (client as unknown as { processID: number | null }).processID;
      if (told !== null && rows[0]?.pid !== told)
        return [
          fail(
            'there is a pooler between syncd and PostgreSQL',
            'Locks and LISTEN need a session of their own: two daemons could work at once, and sales would not wake them.',
            'database.url   # in syncd.yaml: name the server itself, not the pooler',
          ),
        ];
      await client.query(`LISTEN ${CHANNEL}`);
      const heard = new Promise<void>((resolve) => client.once('notification', () => resolve()));
      const before = monotonicMs();
      await sql`SELECT pg_notify(${CHANNEL}, '')`.execute(db);
      const came = await within(PATIENCE_MS, heard, () => new Error('late')).then(
        () => true,
        () => false,
      );
      if (!came)
        return [
          fail(
            `a NOTIFY did not come within ${PATIENCE_MS / 1_000} s`,
            'Sales are found by polling only, up to a second later.',
            'database.url   # in syncd.yaml: name the server itself',
          ),
        ];
      const ms = Math.round(monotonicMs() - before);
      const usage = await sql<{ used: number }>`SELECT pg_notification_queue_usage() AS used`.execute(db);
      const used = usage.rows[0]?.used ?? 0;
      if (used >= FULL)
        return [
          warn(
            `the server's notification queue is ${Math.round(used * 100)} % full`,
            'Some session listens and never reads. When the queue is full every commit that notifies fails; syncd has stopped notifying.',
            "SELECT pid, usename, state_change FROM pg_stat_activity WHERE state = 'idle in transaction';",
          ),
        ];
      return [ok(`a NOTIFY comes through in ${ms} ms`)];
    } finally {
      await client.end().catch(() => {});
    }
  },
};
