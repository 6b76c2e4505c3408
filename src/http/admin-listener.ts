/**
 * The admin port as a part of the daemon: outlives every session with the database, so that somebody who looks while
 * PostgreSQL is away gets an answer. Owns its two connections, the tokens and the server; syncing never depends on it.
 */
import type { Settings } from '../config/settings.js';
import { Reach } from '../db/reach.js';
import { SyncError } from '../errors.js';
import type { Log } from '../log.js';
import type { Vitals } from '../ops/vitals.js';
import type { Health, Service } from '../service.js';
import { monotonicMs } from '../time.js';
import { adminHandler } from './admin.js';
import { HttpServer } from './server.js';
import { Tokens } from './token.js';
import { Visitors } from './visitors.js';

/** A list over a million rows takes a second or two; who asked does not wait longer than this. */
const QUERY_TIMEOUT_MS = 15_000;

export class AdminListener implements Service {
  readonly name = 'admin';
  readonly #server: HttpServer;
  readonly #reaches: Reach[];
  readonly #log: Log;
  readonly #host: string;
  #told = false;

  /** @throws SyncError `configuration` where a token can be neither made nor read */
  constructor({ settings, log, vitals }: { settings: Settings; log: Log; vitals: Vitals }) {
    const { admin, state_dir, database } = settings;
    const look = new Reach(database.urls, 'admin', QUERY_TIMEOUT_MS);
    const act = new Reach(database.urls, 'admin acts', QUERY_TIMEOUT_MS);
    this.#reaches = [look, act];
    this.#log = log;
    this.#host = admin.listen.host;
    const tokens = new Tokens({ admin, state_dir, log, monotonicMs });
    this.#server = new HttpServer({
      name: 'admin.listen',
      ...admin.listen,
      handle: adminHandler({ settings, look, act, vitals, tokens, visitors: new Visitors(admin), log }),
      onFault: (error) => log.warn('the admin port had a fault', { trouble: 'admin', error }),
    });
  }

  get port(): number {
    return this.#server.port;
  }

  /** @throws SyncError `configuration` where the address cannot be had; it may be tried again */
  async start(): Promise<void> {
    try {
      await this.#server.start();
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      throw new SyncError('configuration', error.message, { hint: error.hint, cause: error });
    }
    if (!this.#told) this.#log.info('the admin port is open', { host: this.#host, port: this.port });
    this.#told = true;
  }

  async stop(): Promise<void> {
    await this.#server.stop();
    await Promise.all(this.#reaches.map((reach) => reach.close()));
  }

  health(): Health {
    return this.#server.health();
  }
}
