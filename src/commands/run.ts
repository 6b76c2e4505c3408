/** `syncd run`: the daemon, in the foreground, until SIGTERM or SIGINT. */
import { isatty } from 'node:tty';
import { setFlagsFromString } from 'node:v8';
import { Command } from 'commander';
import { loadSettings } from '../config/load.js';
import { managerSettings } from '../config/notify-socket.js';
import { prepareStateDir } from '../config/state-dir.js';
import { runDaemon } from '../daemon/daemon.js';
import { Reload } from '../daemon/reload.js';
import { createLog } from '../log.js';
import { within } from '../time.js';
import { commonOptions } from './session.js';

/** systemd, the shop's technician and the tests all count on an end within ten seconds. */
const END_WITHIN_MS = 9_000;

/**
 * By how much the heap may grow over what lives before old garbage is collected. Left to itself V8 lets it grow by several times
 * that on a machine with much memory, which belongs to the POS: a drain then peaks at 240 MB. At 20 % it spends a fifth of its
 * time on collecting, at 60 % half of that for 8 MB.
 */
const SPARE_HEAP = '--heap-growing-percent=60';

export function runCommand(): Command {
  return new Command('run')
    .description('run the daemon in the foreground: send what the queue holds, and keep sending')
    .option('--standby', 'where another daemon leads, wait beside it and take over when it ends or falls silent')
    .addHelpText(
      'after',
      `
One daemon at a time works on a database; a second one ends with exit code 75.
With --standby it waits instead, on this host or on another one with a state_dir
of its own, and takes over within 30 s.
`,
    )
    .action(async ({ standby = false }: { standby?: boolean }, command: Command) => {
      setFlagsFromString(SPARE_HEAP);
      const { config, verbose } = commonOptions(command);
      const flags = verbose ? { 'log.level': 'debug' } : {};
      const read = () => loadSettings({ file: config, flags });
      const loaded = read();
      const { settings } = loaded;
      const log = createLog({ ...settings.log, secrets: loaded.secrets });
      for (const warning of loaded.warnings) log.warn(warning);
      prepareStateDir(settings.state_dir);
      const reload = new Reload(loaded, read, log);
      const stopping = new AbortController();
      const stop = () => stopping.abort();
      // Wrappers pass a signal on that the process has had already: a second one is no reason to break off.
      process.on('SIGTERM', stop);
      process.on('SIGINT', stop);
      // A terminal that is closed says the same as a technician who wants the file to be read.
      process.on('SIGHUP', () => (isatty(1) ? stop() : reload.again()));
      const running = runDaemon(settings, log, stopping.signal, { reload, manager: managerSettings(), standby });
      await Promise.race([
        running,
        new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve())),
      ]);
      await within(END_WITHIN_MS, running, () => new Error('late')).catch((error: unknown) => {
        if (!stopping.signal.aborted) throw error;
        // The table knows what was not settled; the next run sends it again.
        log.warn('stopped without waiting any longer', { error });
        process.exit(0);
      });
    });
}
