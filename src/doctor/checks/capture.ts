/** Whether every configured table is watched, and whether what was captured is all there was. */
import { INSTALL } from '../../errors.js';
import { DISK_AUTHOR } from '../../ops/disk-forecast.js';
import { suspendedFindings, walkFindings } from '../../ops/status/table-findings.js';
import { count } from '../../ops/status/words.js';
import { fail, ok, type Unnamed, warn } from '../finding.js';
import type { Check } from '../patient.js';

export const capture: Check = {
  name: 'capture',
  needs: ['schema'],
  async look({ facts, settings }) {
    if (!facts) return [];
    const found: Unnamed[] = [];
    const watched = new Map(facts.capture.map((one) => [one.entity_type, one]));
    const drifted = new Set(facts.drifts.map((one) => one.entity_type));
    // What steps aside on purpose is told so, once: an install would end that in the middle of an upgrade.
    const aside = new Set(facts.suspended.map((one) => one.entity_type));
    for (const { entity_type, text, hint } of facts.drifts) {
      const misses =
        watched.get(entity_type)?.healthy === false && settings.entities.get(entity_type)?.direction !== 'pull';
      const why = 'The table is not as it was installed; it is watched anew, and compared, once that is put right.';
      found.push((misses ? fail : warn)(`${entity_type}: ${text}`, why, hint));
    }
    for (const [entity, { table, direction }] of settings.entities) {
      const one = watched.get(entity);
      if (!one && direction !== 'pull')
        found.push(
          fail(`${entity} (${table}) is not captured`, 'Its sales are not seen and never reach the cloud.', INSTALL),
        );
      else if (one && direction !== 'pull' && !one.healthy && !drifted.has(entity) && !aside.has(entity))
        found.push(
          fail(
            `triggers of ${entity} (${table}) are missing, disabled or outdated`,
            'Its sales are not seen and never reach the cloud.',
            `${INSTALL}   # puts them right and looks for what was missed`,
          ),
        );
      if (one && one.failures > 0)
        found.push(
          fail(
            `capture of ${entity} failed ${count(one.failures, 'time')}`,
            'Those sales went through, but their changes may be missing from the queue.',
            'syncd status   # the daemon compares the table by itself and queues what is missing',
          ),
        );
    }
    const full = facts.suspended.some(({ by }) => by === DISK_AUTHOR);
    const onward = full
      ? `sudo du -xh ${settings.disk?.path ?? '/'} | sort -h | tail   # once there is room it goes on by itself`
      : 'syncd capture --resume';
    for (const { reason } of suspendedFindings(facts))
      found.push(fail(reason, 'Sales go through and are not seen until capture goes on.', onward));
    for (const { reason } of walkFindings(facts))
      found.push(warn(reason, 'What was missed, if anything, is not known.', 'journalctl -u syncd -n 50'));
    for (const entity of facts.truncated)
      found.push(
        warn(
          `the table of ${entity} was emptied by TRUNCATE`,
          'The cloud still has the rows, and its changes wait until a person decides.',
          `syncd truncate ${entity} --delete   # or --restore`,
        ),
      );
    return found.length > 0 ? found : [ok(`${count(settings.entities.size, 'table')} watched, no failures`)];
  },
};
