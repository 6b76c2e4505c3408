/** The way to PostgreSQL, and whether syncd is installed there as this program knows it. */
import { isDeepStrictEqual } from 'node:util';
import { sql } from 'kysely';
import { parseTable } from '../../capture/names.js';
import { databaseError, nameOf } from '../../db/database-error.js';
import { appliedMigrations, pendingMigrations, readMigrations } from '../../db/migrate.js';
import { INSTALL, SyncError } from '../../errors.js';
import { primaryOf } from '../../ops/identity/file.js';
import { statusOf } from '../../ops/status/report.js';
import { monotonicMs } from '../../time.js';
import { fail, ok, type Unnamed, warn } from '../finding.js';
import { type Check, openBedside, type Patient } from '../patient.js';

const SLOW_MS = 1_000;

export const database: Check = {
  name: 'database',
  needs: [],
  proves: 'database',
  async look(patient) {
    const { urls } = patient.settings.database;
    try {
      const url = await primaryOf(patient.settings);
      if (url !== patient.url) {
        await patient.db.destroy();
        patient.url = url;
        patient.db = openBedside(url);
      }
      await sql`SELECT 1`.execute(patient.db);
      const before = monotonicMs();
      const { rows } = await sql<{ version: string }>`SELECT current_setting('server_version') AS version`.execute(
        patient.db,
      );
      const ms = Math.round(monotonicMs() - before);
      const answer = `${nameOf(url)} answers in ${ms} ms, PostgreSQL ${rows[0]?.version.split(' ')[0]}`;
      return [ms > SLOW_MS ? fail(answer, 'So slow a database is slow for the till as well.', 'top') : ok(answer)];
    } catch (error) {
      const fault = databaseError(error, urls[0] as string);
      // What refuses our login alone may take the till's.
      const why =
        fault.code === 'unavailable'
          ? 'While the database is away nothing is captured and nothing is sent.'
          : 'Nothing can be sent or looked at through this login; the till has its own.';
      return [fail(fault.message, why, fault.hint || null)];
    }
  },
};

export const schema: Check = {
  name: 'installation',
  needs: ['database'],
  proves: 'schema',
  async look(patient) {
    const why = 'Without its tables and triggers syncd sees no sale.';
    try {
      const applied = await appliedMigrations(patient.db);
      if (applied.length === 0) return [fail('syncd is not installed in this database', why, INSTALL)];
      const waiting = pendingMigrations(readMigrations(), applied);
      if (waiting.length > 0)
        return [
          fail(
            `the schema is older than the program: ${waiting.map(({ name }) => name).join(', ')} is missing`,
            why,
            INSTALL,
          ),
        ];
      patient.facts = (await statusOf(patient.db, patient.settings)).facts;
    } catch (error) {
      const fault = error instanceof SyncError ? error : databaseError(error, patient.url);
      return [fail(fault.message, why, fault.hint || null)];
    }
    const { outlet } = patient.facts;
    if (outlet.id !== patient.settings.outlet.id)
      return [
        fail(
          `the database belongs to outlet ${outlet.id}, the configuration says ${patient.settings.outlet.id}`,
          "Nothing is sent, so that no outlet's sales end up as another's.",
          'syncd adopt   # says what it sees; or correct outlet.id',
        ),
      ];
    const others = await installedOtherwise(patient);
    return others.length > 0 ? others : [ok(`installed for outlet ${outlet.code ?? outlet.id}, nothing is missing`)];
  },
};

/** Tables that the file names otherwise than the last install did; what is not installed at all is the check of capture's. */
async function installedOtherwise({ db, settings }: Patient): Promise<Unnamed[]> {
  const installed = await db.selectFrom('syncd.capture').select(['entity_type', 'table_name', 'direction']).execute();
  return installed.flatMap(({ entity_type, table_name, direction }): Unnamed[] => {
    const entity = settings.entities.get(entity_type);
    if (!entity) return [];
    const same = isDeepStrictEqual(parseTable(entity.table), parseTable(table_name)) && entity.direction === direction;
    if (same) return [];
    return [
      warn(
        `${entity_type} is installed for ${table_name} (${direction}), the configuration says ${entity.table} (${entity.direction})`,
        'Until it is installed anew, what is captured and what the file says are not the same.',
        `${INSTALL}   # or correct entities.${entity_type} in syncd.yaml`,
      ),
    ];
  });
}
