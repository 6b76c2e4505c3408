/**
 * The admin port as a part of the daemon: outlives every session with the database, so that somebody who looks while
 * PostgreSQL is away gets an answer. Owns its connections, the tokens and the server. Syncing never depends on it: where the
 * address is taken, that is told, and tried again.
 */
import type { Settings } from '../../config/settings.js';
import { openApplier } from '../../db/applier.js';
import { LOCKED_FOR, openDb } from '../../db/connect.js';
import { Reach } from '../../db/reach.js';
import { SyncError } from '../../errors.js';
import type { Log } from '../../log.js';
import { primaryOf } from '../../ops/identity/file.js';
import type { Vitals } from '../../ops/status/vitals.js';
import type { Health, Service } from '../../service.js';
import { monotonicMs, sleep } from '../../time.js';
import type { Measured } from '../route.js';
import { HttpServer } from '../server.js';
import { adminHandler } from './routes.js';
import { Tokens } from './token.js';
import { Visitors } from './visitors.js';

/** A list over a million rows takes a second or two; who asked does not wait longer than this. */
const QUERY_TIMEOUT_MS = 15_000;
const AGAIN_MS = 10_000;

export type AdminListenerDeps = { settings: Settings; log: Log; vitals: Vitals; measured: Measured };

export class AdminListener implements Service {
  readonly name = 'admin';
  readonly #server: HttpServer;
  readonly #reaches: Reach[];
  readonly #log: Log;
  readonly #host: string;
  readonly #stopping = new AbortController();
  #trying: Promise<void> | undefined;

  /** @throws SyncError `configuration` where a token can be neither made nor read */
  constructor({ settings, log, vitals, measured }: AdminListenerDeps) {
    const { admin, state_dir, database } = settings;
    // The server gives up before we do, or it would go on with what nobody waits for.
    const bounds = [`statement_timeout=${QUERY_TIMEOUT_MS - 1_000}`, LOCKED_FOR];
    const options = { connectTimeoutMs: 5_000, queryTimeoutMs: QUERY_TIMEOUT_MS, settings: bounds };
    const find = (urls: string[]) => primaryOf(settings, urls);
    const look = new Reach(database.urls, find, (url) => openDb(url, { role: 'admin', ...options }));
    const act = new Reach(database.urls, find, (url) => openDb(url, { role: 'admin acts', ...options }));
    const apply = new Reach(database.urls, find, (url) => openApplier(url, 'admin applies', QUERY_TIMEOUT_MS));
    this.#reaches = [look, act, apply];
    this.#log = log;
    this.#host = admin.listen.host;
    const tokens = new Tokens({ admin, state_dir, log, monotonicMs });
    this.#server = new HttpServer({
      name: 'admin.listen',
      ...admin.listen,
      handle: adminHandler({
        settings,
        look,
        act,
        apply,
        vitals,
        measured,
        tokens,
        visitors: new Visitors(admin),
        log,
      }),
      onFault: (error) => log.warn('the admin port had a fault', { trouble: 'admin', error }),
    });
  }

  get port(): number {
    return this.#server.port;
  }

  /** Resolves once it listens, or could not; then it goes on trying. */
  async start(): Promise<void> {
    if (this.#trying || this.#stopping.signal.aborted) return;
    const first = this.#listen();
    this.#trying = first.then((listens) => this.#keepTrying(listens));
    await first;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#trying;
    await this.#server.stop();
    await Promise.all(this.#reaches.map((reach) => reach.close()));
  }

  health(): Health {
    return this.#server.health();
  }

  async #keepTrying(listens: boolean): Promise<void> {
    const { signal } = this.#stopping;
    for (let done = listens; !done && !signal.aborted; ) {
      await sleep(AGAIN_MS, signal);
      if (!signal.aborted) done = await this.#listen();
    }
  }

  async #listen(): Promise<boolean> {
    try {
      await this.#server.start();
      this.#log.info('the admin port is open', { host: this.#host, port: this.port });
      return true;
    } catch (error) {
      const hint = error instanceof SyncError ? error.hint : undefined;
      this.#log.error('the admin port cannot be opened; syncing goes on', { trouble: 'admin port', error, hint });
      return false;
    }
  }
}
