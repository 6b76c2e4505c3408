/**
 * The database as the admin port needs it: there when it is there, over any number of outages, on one connection of its own.
 * With a list of URLs the primary is looked for anew whenever the one that was known has been lost.
 */
import { codeOf, SyncError } from '../errors.js';
import type { Db } from './connect.js';
import { databaseError, isConnectionLoss } from './database-error.js';

/** read_only_sql_transaction: the primary has become a standby. */
const READ_ONLY = '25006';
/** query_canceled: by statement_timeout. */
const TOO_LONG = '57014';

export class Reach {
  readonly #urls: string[];
  readonly #find: (urls: string[]) => Promise<string>;
  readonly #connect: (url: string) => Db | Promise<Db>;
  #opening: Promise<Db> | undefined;

  /** @param find which of several is the primary */
  constructor(urls: string[], find: (urls: string[]) => Promise<string>, connect: (url: string) => Db | Promise<Db>) {
    this.#urls = urls;
    this.#find = find;
    this.#connect = connect;
  }

  /** @throws SyncError in the database's own words: `unavailable` when it does not answer, `configuration` when it refuses */
  async use<T>(work: (db: Db) => Promise<T>): Promise<T> {
    this.#opening ??= this.#open();
    const opening = this.#opening;
    try {
      return await work(await opening);
    } catch (error) {
      // A mistake of ours must not be told as the server's.
      if (error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError) throw error;
      if (!(error instanceof SyncError) && (isConnectionLoss(error) || codeOf(error) === READ_ONLY))
        this.#forget(opening);
      if (codeOf(error) === TOO_LONG)
        throw new SyncError('unavailable', 'the database took too long to answer', {
          hint: 'Ask for less: since, status or one entity.',
          cause: error,
        });
      throw databaseError(error, this.#urls[0] as string);
    }
  }

  async close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    this.#opening = undefined;
    await opened?.destroy();
  }

  async #open(): Promise<Db> {
    try {
      const url = this.#urls.length > 1 ? await this.#find(this.#urls) : (this.#urls[0] as string);
      return await this.#connect(url);
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  #forget(opening: Promise<Db>): void {
    if (this.#opening === opening) this.#opening = undefined;
    void opening.then((db) => db.destroy()).catch(() => {});
  }
}
