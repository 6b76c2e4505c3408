/**
 * The built daemon with one thing added: the nth time that it comes to a step (src/step.ts) it dies on the spot, as by kill -9.
 * `node dying-daemon.mjs CONFIG STEP NTH`. Only tests put a daemon together like this.
 */
import { loadSettings } from '../../dist/config/load.js';
import { prepareStateDir } from '../../dist/config/state-dir.js';
import { runDaemon } from '../../dist/daemon/daemon.js';
import { createLog } from '../../dist/log.js';

const [file, step, nth] = process.argv.slice(2);
const { settings, secrets } = loadSettings({ file });
const log = createLog({ ...settings.log, secrets });
prepareStateDir(settings.state_dir);

let left = Number(nth);
await runDaemon(settings, log, new AbortController().signal, {
  onStep: (taken) => {
    if (taken !== step) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  },
});
