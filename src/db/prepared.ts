/**
 * Lets a connection's repeated statements be prepared: parsed and planned once, run often. Kysely knows nothing of it; a
 * statement's text is its name. Worth it where the same few large statements run for every chunk: planning them anew cost the
 * server 6 ms a chunk, as much as 150 rows.
 */
import { createHash } from 'node:crypto';
import { type PostgresPool, type PostgresPoolClient, sql } from 'kysely';
import type pg from 'pg';

/** Beyond so many different texts none is prepared any more: each takes memory on the server. */
const MOST = 300;
/** Short ones are planned in no time. */
const SHORTEST = 200;
/** A comment in the text of a statement: Kysely has nothing else to tell it by. */
const MARK = '/* planned anew */';

/**
 * To be put into a statement that is not to be prepared. A kept plan outlives the statistics by which it was made, and a queue
 * grows from nothing to a million rows: what can be run in several ways, good or bad by how much there is, is planned each time.
 */
export const PLANNED_ANEW = sql.raw(MARK);

/** @param onError told of what a query was answered with before anybody else is */
export function preparing(pool: pg.Pool, onError: (error: Error) => void): PostgresPool {
  const names = new Map<string, string>();
  const nameOf = (text: string): string | undefined => {
    const known = names.get(text);
    const wanted = text.length >= SHORTEST && !text.includes(MARK);
    if (known !== undefined || !wanted || names.size >= MOST) return known;
    const name = `syncd_${createHash('sha1').update(text).digest('hex').slice(0, 16)}`;
    names.set(text, name);
    return name;
  };
  return {
    async connect() {
      const client = await pool.connect();
      let ended = false;
      const query = async (text: string, values: readonly unknown[]) => {
        const name = nameOf(text);
        try {
          return await client.query({ text, values: [...values], ...(name !== undefined && { name }) });
        } catch (error) {
          // Its socket closes a moment later only, and till then the pool would lend it to the next.
          ended ||= (error as { severity?: string }).severity === 'FATAL';
          onError(error as Error);
          throw error;
        }
      };
      return { query, release: () => client.release(ended) } as unknown as PostgresPoolClient;
    },
    end: () => pool.end(),
  };
}
