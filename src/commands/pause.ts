/** `syncd pause` and `syncd resume`: stop and start sending. The sales are captured and kept either way. */
import { Command } from 'commander';
import { type DaemonPresence, lookAtDaemon, setEnabled } from '../ops/control.js';
import { authorOf, withAuthor } from './actions.js';
import { print, printJson } from './output.js';
import { commonOptions, withDatabase } from './session.js';

export function pauseCommand(): Command {
  return toggle('pause', 'stop sending and fetching until somebody resumes; sales are captured and kept', false, {
    done: () => 'Paused: nothing is sent until syncd resume. Sales are captured and kept.',
    before: 'It was paused already.',
  });
}

export function resumeCommand(): Command {
  return toggle('resume', 'send and fetch again after a pause', true, {
    done: (daemon) => `Resumed: what waits goes ${whenItGoes(daemon)}`,
    before: 'It was not paused.',
  });
}

function whenItGoes({ running, online, refused }: DaemonPresence): string {
  if (!running) return 'when the daemon runs again: sudo systemctl start syncd';
  if (refused) return `once the cloud refuses this outlet no more: ${refused}`;
  return online === false ? 'as soon as the cloud can be reached.' : 'now.';
}

type Words = { done: (daemon: DaemonPresence) => string; before: string };

function toggle(name: string, description: string, enabled: boolean, words: Words): Command {
  const shown = enabled ? '' : 'shown by syncd status, ';
  const command = new Command(name)
    .description(description)
    .option('--reason <text>', `why; ${shown}kept with your name`);
  return withAuthor(command).action(async (_options, self: Command) => {
    const options = { ...commonOptions(self), ...self.opts<{ reason?: string; by?: string }>() };
    await withDatabase(options, name, async ({ db, loaded }) => {
      const changed = await setEnabled(db, enabled, authorOf(options), options.reason);
      if (options.json) return printJson({ enabled, changed });
      print(changed ? words.done(await lookAtDaemon(db)) : words.before);
      if (enabled && !loaded.settings.sync.enabled)
        print('But sync.enabled is false in the configuration: nothing is sent until that is changed.');
    });
  });
}
