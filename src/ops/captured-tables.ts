/** The captured tables for people: what each is called, whether its changes are recorded, and what keeps them from it. Reads only. */
import { sql } from 'kysely';
import type { Direction } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { iso } from '../queue/read.js';

export type CapturedTable = {
  entity_type: string;
  table_name: string;
  direction: Direction;
  /** All triggers are there and fire. */
  healthy: boolean;
  /** Changes that could not be recorded and were not looked for since. */
  failures: number;
  /** How the table differs from what was installed, in words, since when, and what repairs it. */
  drift: string | null;
  drift_at: string | null;
  drift_hint: string | null;
  suspended_at: string | null;
  suspended_by: string | null;
  suspended_reason: string | null;
  installed_at: string;
};

export async function listCapturedTables(db: Db): Promise<CapturedTable[]> {
  const rows = await db
    .selectFrom('syncd.capture as c')
    .select(['c.entity_type', 'c.table_name', 'c.direction'])
    .select(
      sql<boolean>`NOT c.drift_misses AND (SELECT count(DISTINCT t.tgname) = 4 FROM pg_trigger t
        WHERE t.tgrelid = coalesce((c.recorded ->> 'oid')::oid, to_regclass(c.table_name)) AND t.tgname LIKE '!syncd %' AND t.tgenabled IN ('O', 'A'))`.as(
        'healthy',
      ),
    )
    .select(
      sql<string>`greatest(0, coalesce(pg_sequence_last_value(to_regclass(c.failures)), 0) - c.failures_seen)`.as(
        'failures',
      ),
    )
    .select(['c.drift', iso('c.drift_at').as('drift_at'), 'c.drift_hint'])
    .select([iso('c.suspended_at').as('suspended_at'), 'c.suspended_by', 'c.suspended_reason'])
    .select(iso('c.installed_at').as('installed_at'))
    .orderBy('c.entity_type')
    .execute();
  return rows.map((row) => ({ ...row, failures: Number(row.failures) }));
}
