/** Whether the daemon runs, as this program's version and on the present configuration, and whether anything keeps it from sending. */
import { isRunning } from '../../ops/status/verdict.js';
import { age, SWITCHED_OFF } from '../../ops/status/words.js';
import { VERSION } from '../../version.js';
import { fail, ok, type Unnamed, warn } from '../finding.js';
import type { Check } from '../patient.js';

export const daemon: Check = {
  name: 'daemon',
  needs: ['schema'],
  async look({ facts }) {
    if (!facts) return [];
    const { daemon, outlet, enabled, switched_off } = facts;
    if (!daemon || !isRunning(daemon)) {
      const seen = daemon
        ? `its last sign of life was ${age(daemon.silent_ms)} ago on ${daemon.host}`
        : 'it has never been started here';
      return [
        fail(
          `the daemon is not running: ${seen}`,
          'Sales are captured and wait; nothing is sent.',
          'sudo systemctl start syncd; journalctl -u syncd -n 50',
        ),
      ];
    }
    const found: Unnamed[] = [];
    if (outlet.stopped_reason !== null)
      found.push(
        fail(
          `pushing is stopped: ${outlet.stopped_reason}`,
          'Sales are captured and wait until a person decides.',
          'syncd adopt',
        ),
      );
    if (switched_off)
      found.push(
        warn(
          SWITCHED_OFF,
          'Sales are captured and wait; nothing is sent.',
          'syncd config   # where it is set; then sudo systemctl reload syncd',
        ),
      );
    else if (!enabled)
      found.push(warn('syncing is paused', 'Sales are captured and wait; nothing is sent.', 'syncd resume'));
    if (daemon.version !== VERSION)
      found.push(
        warn(
          `the daemon is version ${daemon.version}, this program ${VERSION}`,
          'An upgrade takes effect with the next start.',
          'sudo systemctl restart syncd',
        ),
      );
    if (daemon.config_changed_at !== null)
      found.push(
        warn(
          'the configuration was changed and has not been read since',
          'The daemon still works by the old one.',
          'sudo systemctl reload syncd',
        ),
      );
    return found.length > 0
      ? found
      : [
          ok(
            `has been running for ${age(Math.max(0, Date.parse(facts.now) - Date.parse(daemon.started_at)))}, pid ${daemon.pid} on ${daemon.host}`,
          ),
        ];
  },
};
