/**
 * Keeps the POS's sequences ahead of what is applied. A row of head office brings its own number; the sequence behind that column
 * knows nothing of it, and the sale that draws the same number next would fail.
 */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import type { Source } from './rows.js';
import type { ColumnSequence } from './tables.js';

/**
 * Up to here numbers are drawn one by one, which cannot step on a sale that draws at the same moment. Beyond it the sequence is
 * set: a till that drew so many between our look and our setting it is none.
 */
const MOST_DRAWN = 1_000;

/** @param entityIds the rows that were made from the source */
export async function passSequences(
  trx: Db,
  sequences: readonly ColumnSequence[],
  source: Source,
  entityIds: readonly string[],
): Promise<void> {
  for (const { column, sequence, max, step } of sequences) {
    await sql`
      WITH made AS (
        SELECT max((s.data ->> ${column})::numeric) AS highest FROM (${source}) AS s
        WHERE s.entity_id = ANY (${arrayLiteral(entityIds)}::text[])
      ), lacking AS (
        SELECT m.highest, floor((m.highest - CASE WHEN q.is_called THEN q.last_value + ${step}::bigint ELSE q.last_value END) / ${step}::bigint) + 1 AS draws
        FROM made m, ${sql.raw(sequence)} AS q WHERE m.highest <= ${max}::bigint
      )
      SELECT CASE WHEN draws > ${MOST_DRAWN} THEN pg_catalog.setval(${sequence}::regclass, highest::bigint)
                  WHEN draws > 0 THEN (SELECT max(pg_catalog.nextval(${sequence}::regclass)) FROM generate_series(1, draws::int)) END
      FROM lacking`.execute(trx);
  }
}
