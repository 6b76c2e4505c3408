/**
 * What the POS and the machine may feel of syncd (I8, I9): nobody at a till waits for one of its locks, and its memory, files,
 * connections and log stay within bounds.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import pg from 'pg';
import { monotonicMs, sleep } from '../../../src/time.js';

const LOOK_EVERY_MS = 10;
/** A sale may wait so long for syncd; on a machine that stalls, longer by what the watch itself was kept waiting. */
const WAIT_BOUND_MS = 50;
const MEMORY_BOUND_MB = 200;
const FILES_BOUND = 60;
/** leader, gate, reader, settler, control, listen. */
const CONNECTIONS_BOUND = 8;
const LOG_BOUND_BYTES = 1_000_000;

/** For how long, and who let it wait with what. */
type Wait = { ms: number; blocker: string };

/** Watches whether a till waits for a lock that one of syncd's connections holds. */
export class TillWatch {
  readonly #client: pg.Client;
  readonly #ending = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #longest: Wait = { ms: 0, blocker: '' };
  #stallMs = 0;
  #fault: unknown;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async start(url: string): Promise<TillWatch> {
    const client = new pg.Client({ connectionString: url, application_name: 'watch' });
    client.on('error', () => {});
    await client.connect();
    const watch = new TillWatch(client);
    watch.#watching = watch.#watch().catch((error) => {
      watch.#fault = error;
    });
    return watch;
  }

  /** @returns what broke the bound; empty where all is well */
  async stop(): Promise<string[]> {
    this.#ending.abort();
    await this.#watching;
    await this.#client.end();
    if (this.#fault !== undefined) throw this.#fault;
    const { ms, blocker } = this.#longest;
    if (ms <= WAIT_BOUND_MS + this.#stallMs) return [];
    return [
      `a till waited ${Math.round(ms)} ms for a lock of ${blocker}; the watch at most ${Math.round(this.#stallMs)} ms`,
    ];
  }

  async #watch(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const startedAt = monotonicMs();
      const { rows } = await this.#client.query<Wait>(
        `SELECT extract(epoch FROM clock_timestamp() - till.query_start)::float8 * 1000 AS ms,
           ours.application_name || ' in ' || left(regexp_replace(ours.query, '\\s+', ' ', 'g'), 80) AS blocker
         FROM pg_stat_activity till JOIN pg_stat_activity ours ON ours.pid = ANY (pg_blocking_pids(till.pid))
         WHERE till.application_name LIKE 'till%' AND till.wait_event_type = 'Lock' AND ours.application_name LIKE 'syncd %'
         ORDER BY ms DESC LIMIT 1`,
      );
      if (rows[0] !== undefined && rows[0].ms > this.#longest.ms) this.#longest = rows[0];
      await sleep(LOOK_EVERY_MS, this.#ending.signal);
      this.#stallMs = Math.max(this.#stallMs, monotonicMs() - startedAt - LOOK_EVERY_MS);
    }
  }
}

/** @param pid the daemon, alive and with an empty queue. @returns what breaks a bound; empty where all is well */
export async function checkBounds(client: pg.Client, pid: number, logFile: string): Promise<string[]> {
  const { rows } = await client.query<{ connections: number; waiting: number }>(
    `SELECT (SELECT count(*)::int FROM pg_stat_activity WHERE application_name LIKE 'syncd %') AS connections,
            (SELECT waiting::int FROM syncd.sync_light) AS waiting`,
  );
  const memory = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  const measured: [string, number, number][] = [
    ['connections', rows[0]?.connections ?? 0, CONNECTIONS_BOUND],
    ['changes waiting', rows[0]?.waiting ?? 0, 0],
    ['MB of memory', Math.round(memory), MEMORY_BOUND_MB],
    ['open files', readdirSync(`/proc/${pid}/fd`).length, FILES_BOUND],
    ['bytes of log', statSync(logFile).size, LOG_BOUND_BYTES],
  ];
  return measured
    .filter(([, value, bound]) => !(value <= bound))
    .map(([what, value, bound]) => `${value} ${what}, more than ${bound}`);
}
