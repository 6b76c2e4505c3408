/** Whether the daemon runs, as this program's version and on the present configuration, and whether anything keeps it from sending. */
import type { DaemonFacts, Facts } from '../../ops/status/read.js';
import { isRunning, since } from '../../ops/status/verdict.js';
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
    const found: Unnamed[] = [];
    if (outlet.stopped_reason !== null)
      found.push(
        fail(
          `pushing is stopped: ${outlet.stopped_reason}`,
          'Sales are captured and wait until a person decides.',
          'syncd adopt',
        ),
      );
    if (!daemon || !isRunning(daemon)) {
      const seen = daemon
        ? `its last sign of life was ${age(daemon.silent_ms)} ago on ${daemon.host}`
        : 'it has never been started here';
      found.push(
        fail(
          `the daemon is not running: ${seen}`,
          'Sales are captured and wait; nothing is sent.',
          'sudo systemctl start syncd; journalctl -u syncd -n 50',
        ),
      );
      return found;
    }
    found.push(...answersToIt(facts, daemon));
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

/** What the cloud last said to the daemon's own calls: an examination asks other questions, which may be answered all the same. */
function answersToIt(facts: Facts, daemon: DaemonFacts): Unnamed[] {
  const found: Unnamed[] = [];
  const onward = 'syncd now   # once the cause is mended; tells what the cloud says to it';
  if (daemon.refused !== null)
    found.push(
      fail(`the cloud refuses this outlet: ${daemon.refused}`, 'Sales are captured and wait; nothing is sent.', onward),
    );
  const awayMs = daemon.online === false ? since(facts, daemon.offline_since) : undefined;
  if (awayMs !== undefined)
    found.push(
      warn(
        `it has not reached the cloud for ${age(awayMs)}: ${daemon.last_error ?? 'no answer'}`,
        'Sales are captured and wait; they go by themselves once the cloud answers.',
        onward,
      ),
    );
  else if (daemon.pull_error !== null)
    found.push(
      (daemon.pull_offline_since === null ? fail : warn)(
        `it cannot fetch from the cloud: ${daemon.pull_error}`,
        'What head office changes does not reach the shop; sales are sent all the same.',
        onward,
      ),
    );
  return found;
}
