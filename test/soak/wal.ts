/**
 * What the log of the database (WAL) is made of: records, which are the work itself, and images of pages. PostgreSQL writes a page
 * whole the first time that it is changed after a checkpoint, so images follow the size of the tables and where chance finds a
 * place in them, also where a sale makes exactly the same work as the first one did; records do not. Each is judged by itself:
 * records from look to look, images by whole cycles of checkpoints. Reads with pg_walinspect, which the server must have.
 */
import type pg from 'pg';

/** For the server: a look reads what was written since the one before, which a checkpoint must not have taken away meanwhile. */
export const WAL_SETTINGS = { wal_keep_size: '1GB' };

export type WalBytes = {
  records: number;
  images: number;
  /** A checkpoint began: from there on every page is written whole once more. */
  checkpoint: boolean;
};

/** To be called once for a database. */
export async function openWal(owner: pg.Client): Promise<void> {
  await owner.query('CREATE EXTENSION IF NOT EXISTS pg_walinspect');
}

/** How far the log is on the disk. */
export async function walPosition(owner: pg.Client): Promise<string> {
  const { rows } = await owner.query<{ at: string }>('SELECT pg_current_wal_flush_lsn() AS at');
  return (rows[0] as { at: string }).at;
}

/** Between two positions; something must have been written there. The beginning of a checkpoint has a record since PostgreSQL 17. */
export async function walBetween(owner: pg.Client, from: string, to: string): Promise<WalBytes> {
  const { rows } = await owner.query<WalBytes>(
    `SELECT sum(record_size)::float8 AS records, sum(fpi_size)::float8 AS images,
            bool_or("resource_manager/record_type" = 'XLOG/CHECKPOINT_REDO' AND count > 0) AS checkpoint
     FROM pg_get_wal_stats($1, $2, true)`,
    [from, to],
  );
  return rows[0] as WalBytes;
}

/** Adds up images from one look that saw a checkpoint begin to the next. */
export class Cycles {
  /** The first cycle was under way at the first look. */
  #whole = false;
  #images = 0;
  #sales = 0;

  /** @returns kB of images for a sale in the cycle that has ended; undefined where none has, or not a whole one */
  add({ images, checkpoint }: Pick<WalBytes, 'images' | 'checkpoint'>, sales: number): number | undefined {
    const ended = checkpoint && this.#whole ? this.#images / 1024 / this.#sales : undefined;
    if (checkpoint) {
      this.#whole = true;
      this.#images = 0;
      this.#sales = 0;
    }
    this.#images += images;
    this.#sales += sales;
    return ended;
  }
}
