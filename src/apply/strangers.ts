/**
 * Incoming changes of types that nobody has configured here: a cloud may send many thousands of them, and none can be applied. One
 * of each type is parked, so that it shows and says what to do; all others are passed over, and the log counts them.
 */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import type { Log } from '../log.js';
import { grouped } from './groups.js';
import type { Incoming, PutOff } from './incoming.js';

export type Strangers = { parked: PutOff[]; dropped: string[] };

/**
 * Of each type the first is parked, unless another one is already; the others are dropped. Told in the log, nothing is written.
 * @param strangers of types that nobody has configured
 */
export async function passOver(db: Db, strangers: readonly Incoming[], log: Log): Promise<Strangers> {
  const passed: Strangers = { parked: [], dropped: [] };
  if (strangers.length === 0) return passed;
  const types = grouped(strangers, ({ entity_type }) => entity_type);
  const known = await alreadyParked(db, strangers);
  for (const [type, [first, ...others]] of types) {
    const reason = `no entity ${type} is configured here; one of its changes is kept to say so, all others are passed over`;
    if (first && !known.has(type)) passed.parked.push({ id: first.id, parked: true, delayMs: null, reason });
    else if (first) passed.dropped.push(first.id);
    passed.dropped.push(...others.map(({ id }) => id));
    const fields = { trouble: `stranger ${type}`, entity_type: type };
    log.warn('the cloud sends what is not configured here; it is passed over', fields);
  }
  return passed;
}

/** Types of which another change is parked. */
async function alreadyParked(db: Db, strangers: readonly Incoming[]): Promise<Set<string>> {
  const { rows } = await sql<{ entity_type: string }>`
    SELECT t.entity_type FROM unnest(${arrayLiteral([...new Set(strangers.map((one) => one.entity_type))])}::text[]) AS t (entity_type)
    WHERE EXISTS (SELECT FROM syncd.incoming i
                  WHERE i.entity_type = t.entity_type AND i.status = 'parked'
                    AND i.id <> ALL (${arrayLiteral(strangers.map(({ id }) => id))}::bigint[]))`.execute(db);
  return new Set(rows.map((row) => row.entity_type));
}
