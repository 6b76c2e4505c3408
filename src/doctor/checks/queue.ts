/** What waits, failed, is in conflict or was lost: the shop's own question, with the commands that answer it. */

import { differenceFindings } from '../../ops/status/table-findings.js';
import { since } from '../../ops/status/verdict.js';
import { age, count } from '../../ops/status/words.js';
import { fail, ok, type Unnamed, warn } from '../finding.js';
import type { Check } from '../patient.js';

export const queue: Check = {
  name: 'queue',
  needs: ['schema'],
  async look({ facts, settings }) {
    if (!facts) return [];
    const found: Unnamed[] = [];
    if (facts.failed > 0)
      found.push(
        fail(
          `${count(facts.failed, 'change')} failed`,
          facts.failed === 1
            ? 'The cloud refused it, and it will not go by itself.'
            : 'The cloud refused them, and they will not go by themselves.',
          'syncd queue --status failed   # why; then syncd retry --all-failed',
        ),
      );
    if (facts.conflicts > 0)
      found.push(
        warn(
          `${count(facts.conflicts, 'conflict')} open`,
          'The shop and the cloud hold different values, and a person has to choose.',
          'syncd conflicts',
        ),
      );
    if (facts.parked.count > 0)
      found.push(
        warn(
          `${count(facts.parked.count, 'change')} of the cloud cannot be applied: ${facts.parked.reason ?? 'no reason known'}`,
          'The shop does not have what head office has sent.',
          'syncd inbox   # why; then syncd inbox --retry --all',
        ),
      );
    for (const { state, reason } of differenceFindings(facts))
      found.push(
        (state === 'critical' ? fail : warn)(
          reason,
          'What was settled is not the same on both sides.',
          'sudo -u syncd syncd verify   # names the rows; with --repair it mends them',
        ),
      );
    const waitingMs = since(facts, facts.oldest_pending_at);
    if (waitingMs !== undefined && waitingMs > settings.alerts.oldestPendingMs)
      found.push(
        warn(
          `the oldest of ${count(facts.pending, 'waiting change')} has waited for ${age(waitingMs)}`,
          'The cloud does not have the latest sales.',
          'syncd status',
        ),
      );
    return found.length > 0
      ? found
      : [
          ok(
            facts.pending === 0
              ? 'everything captured is in the cloud'
              : `${count(facts.pending, 'change')} on the way`,
          ),
        ];
  },
};
