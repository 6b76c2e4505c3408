/** Whether the webhook port answers here, and whether the cloud ever came through it. From outside only the cloud can tell. */
import { connect } from 'node:net';
import { sql } from 'kysely';
import { isRunning } from '../../ops/status/verdict.js';
import { age } from '../../ops/status/words.js';
import { fail, ok, skipped, warn } from '../finding.js';
import type { Check } from '../patient.js';

const PATIENCE_MS = 3_000;

export const webhook: Check = {
  name: 'webhook',
  needs: ['schema'],
  async look({ settings, db, facts }) {
    if (!settings.webhook) return [ok('not configured: what the cloud has comes by polling')];
    const { host, port } = settings.webhook.listen;
    const address = `${host}:${port}`;
    if (!facts || !isRunning(facts.daemon))
      return [skipped('not looked at: the daemon does not run, and the port is its own')];
    if (!(await answers(reachable(host), port)))
      return [
        fail(
          `nothing answers on ${address}`,
          "The cloud's webhooks are lost; changes come by polling, later.",
          `ss -ltnp 'sport = :${port}'; journalctl -u syncd -n 50`,
        ),
      ];
    const { rows } = await sql<{ age_ms: number | null }>`
      SELECT extract(epoch FROM clock_timestamp() - max(received_at))::float8 * 1000 AS age_ms FROM syncd.inbox WHERE source = 'webhook'`.execute(
      db,
    );
    const lastMs = rows[0]?.age_ms ?? null;
    if (lastMs === null)
      return [
        warn(
          `${address} answers here, but no webhook has ever come`,
          'Behind a router the cloud cannot reach this port; changes come by polling, which is fine, only later.',
          `curl -i http://<this shop's address>:${port}/api/v1/webhooks/cloud/update   # from outside: any answer will do`,
        ),
      ];
    return [ok(`${address} answers; the last webhook came ${age(lastMs)} ago`)];
  },
};

/** An address that means "all of them" is called by the one that is always there. */
function reachable(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PATIENCE_MS });
    const end = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}
