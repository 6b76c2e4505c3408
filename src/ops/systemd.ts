/**
 * Talks to systemd: ready, how we do in one line, still alive, reloading, stopping. Each message is a child, `systemd-notify`,
 * because Node has no datagram sockets of that kind; it costs 6 ms of processor time every twenty seconds, every five while the line
 * changes. What cannot be told is logged and never stops syncing.
 *
 * The watchdog is fed by what the loops have done, not by the timer that asks: when one of them stands still for far longer than
 * a round may take, nothing is sent any more, and systemd starts the daemon anew. A database or a cloud that is away is no
 * standstill: then the loops go round waiting.
 */
import { execFile } from 'node:child_process';
import type { ManagerSettings } from '../config/notify-socket.js';
import { codeOf, wordsOf } from '../errors.js';
import type { Log } from '../log.js';
import { Flag, monotonicMs } from '../time.js';

export type ManagerDeps = {
  settings: ManagerSettings;
  log: Log;
  /** One line for `systemctl status`. */
  statusLine: () => string;
  /** Whether a start has come to its end: it works, or knows for what it waits. */
  isReady: () => boolean;
  /** The parts that stand still. */
  stuck: (nowMs: number) => string[];
};

/** Three chances within one patience of the watchdog's. */
const SHARE = 3;
/** So often in between it is looked whether another line is true by now: "starting", or "no database", long outlived itself. */
const LOOKS = 4;
const UNWATCHED_MS = 30_000;
/** Until it is ready somebody waits for it at a terminal. */
const STARTING_MS = 200;
const CHILD_MS = 10_000;

export class ServiceManager {
  readonly #deps: ManagerDeps;
  readonly #flag = new Flag();
  #telling: Promise<void> = Promise.resolve();
  #ready = false;
  #told = '';

  constructor(deps: ManagerDeps) {
    this.#deps = deps;
  }

  /** Until `signal` aborts; says then that it stops. */
  async run(signal: AbortSignal): Promise<void> {
    const { settings } = this.#deps;
    const everyMs = settings.watchdogMs === undefined ? UNWATCHED_MS : settings.watchdogMs / SHARE;
    for (let toldAt = Number.NEGATIVE_INFINITY; !signal.aborted; ) {
      this.#flag.lower();
      const turnsReady = !this.#ready && this.#deps.isReady();
      const isNew = this.#ready && this.#deps.statusLine() !== this.#told;
      if (turnsReady || isNew || monotonicMs() - toldAt >= everyMs) {
        this.#ready ||= turnsReady;
        await this.#tell(turnsReady ? ['READY=1'] : []);
        toldAt = monotonicMs();
      }
      await this.#flag.wait(this.#ready ? everyMs / LOOKS : STARTING_MS, signal);
    }
    await this.#send(['STOPPING=1', 'STATUS=stopping; what is in flight may end']);
  }

  /** The configuration is read anew. */
  async reloading(): Promise<void> {
    if (this.#ready) await this.#send(['RELOADING=1', 'STATUS=reading the configuration']);
  }

  async reloaded(): Promise<void> {
    if (this.#ready) await this.#tell(['READY=1']);
  }

  async #tell(first: string[]): Promise<void> {
    const { log, stuck, statusLine, settings } = this.#deps;
    const parts = stuck(monotonicMs());
    if (parts.length > 0) {
      const fed = settings.watchdogMs === undefined ? '' : ': the service manager is to start the daemon anew';
      log.error(`${parts.join(' and ')} ${parts.length === 1 ? 'stands' : 'stand'} still${fed}`, {
        trouble: 'standstill',
      });
    }
    const alive = settings.watchdogMs === undefined || parts.length > 0 ? [] : ['WATCHDOG=1'];
    this.#told = statusLine();
    await this.#send([...first, ...alive, `STATUS=${this.#told}`]);
  }

  /** One at a time and in order. */
  #send(message: string[]): Promise<void> {
    this.#telling = this.#telling.then(() => this.#spawn(message));
    return this.#telling;
  }

  #spawn(message: string[]): Promise<void> {
    const { settings, log } = this.#deps;
    // A bare environment: nothing of ours is any business of a child's.
    const env = { PATH: '/usr/bin:/bin', NOTIFY_SOCKET: settings.socket, LC_ALL: 'C' };
    return new Promise((resolve) => {
      execFile('systemd-notify', message, { env, timeout: CHILD_MS, cwd: '/' }, (error) => {
        if (error) {
          log.warn('the service manager cannot be told how we do', {
            trouble: 'service manager',
            error: codeOf(error) === 'ENOENT' ? 'there is no systemd-notify on this machine' : wordsOf(error),
          });
        } else log.info('the service manager hears us', { recovered: 'service manager' });
        resolve();
      });
    });
  }
}
