/**
 * Brings schema `syncd` to the program's version: the numbered files in sql/, each once, in order, all in one transaction. Owns
 * Kysely's bookkeeping and, beside it, syncd.migrations with each file's checksum. A crash leaves the old version. The caller
 * has made the schema and holds the install lock; a second migrator would wait for Kysely's own.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Kysely, type Migration, Migrator, sql } from 'kysely';
import { SyncError, wordsOf } from '../errors.js';
import type { Db } from './connect.js';

export type SqlFile = { name: string; text: string; checksum: string };
export type Applied = { name: string; checksum: string };

const DIRECTORY = join(packageRoot(), 'sql');

/** The migrations that this program brings along, in order. */
export function readMigrations(directory = DIRECTORY): SqlFile[] {
  const names = readdirSync(directory)
    .filter((name) => /^\d{4}_\w+\.sql$/.test(name))
    .sort();
  return names.map((file) => {
    const text = readFileSync(join(directory, file), 'utf8');
    return { name: file.slice(0, -'.sql'.length), text, checksum: createHash('sha256').update(text).digest('hex') };
  });
}

/**
 * What is still to be applied.
 * @throws SyncError `configuration` when the database is newer than the program, or was made from files that read otherwise
 */
export function pendingMigrations(files: SqlFile[], applied: Applied[]): SqlFile[] {
  refuseNewer(files, applied);
  const known = new Map(files.map((file) => [file.name, file.checksum]));
  const altered = applied
    .filter((migration) => known.get(migration.name) !== migration.checksum)
    .map(({ name }) => name);
  if (altered.length > 0) {
    throw new SyncError(
      'configuration',
      `the schema syncd was made from other files: ${altered.join(', ')} read differently then`,
      {
        hint: 'A released migration never changes. Is this a damaged or a modified copy of syncd? Install it anew.',
      },
    );
  }
  const done = new Set(applied.map((migration) => migration.name));
  return files.filter((file) => !done.has(file.name));
}

/** @throws SyncError `configuration` when the database is newer than the program, which would not keep what it does not know */
export function refuseNewer(files: readonly SqlFile[], applied: readonly Applied[]): void {
  const known = new Set(files.map((file) => file.name));
  const unknown = applied.filter(({ name }) => !known.has(name)).map(({ name }) => name);
  if (unknown.length === 0) return;
  throw new SyncError('configuration', `the schema syncd is newer than this program: it has ${unknown.join(', ')}`, {
    hint: 'Install the newer syncd again, or restore the backup that was made with this one.',
  });
}

/** Applied migrations; none where the schema is not there yet. */
export async function appliedMigrations(db: Db): Promise<Applied[]> {
  const { rows } = await sql<{ there: boolean }>`SELECT to_regclass('syncd.migrations') IS NOT NULL AS there`.execute(
    db,
  );
  if (!rows[0]?.there) return [];
  return (await sql<Applied>`SELECT name, checksum FROM syncd.migrations ORDER BY name`.execute(db)).rows;
}

/** Applies what is missing as the current role, which then owns it. @returns the names of what was applied */
export async function migrate(db: Db, files = readMigrations()): Promise<string[]> {
  const applied = await appliedMigrations(db);
  if (pendingMigrations(files, applied).length === 0) return [];
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => Object.fromEntries(files.map((file) => [file.name, migrationOf(file)])) },
    migrationTableSchema: 'syncd',
  });
  const { error, results } = await migrator.migrateToLatest();
  if (error !== undefined) {
    const failed = results?.find((result) => result.status === 'Error')?.migrationName;
    throw new SyncError('failed', `migration ${failed ?? 'of schema syncd'} failed: ${wordsOf(error)}`, {
      cause: error,
    });
  }
  return (results ?? []).filter((result) => result.status === 'Success').map((result) => result.migrationName);
}

const RECORDS = `
  CREATE TABLE IF NOT EXISTS syncd.migrations (
    name       text CONSTRAINT "a migration is applied once" PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp());
  COMMENT ON TABLE syncd.migrations IS 'One applied file of the program.';
  COMMENT ON COLUMN syncd.migrations.name IS 'The file''s name without .sql.';
  COMMENT ON COLUMN syncd.migrations.checksum IS 'SHA-256 of the file as it was applied.';
  COMMENT ON COLUMN syncd.migrations.applied_at IS 'When.'`;

function migrationOf(file: SqlFile): Migration {
  return {
    up: async (db: Kysely<unknown>) => {
      await sql.raw(RECORDS).execute(db);
      await sql.raw(file.text).execute(db);
      await sql`INSERT INTO syncd.migrations (name, checksum) VALUES (${file.name}, ${file.checksum})`.execute(db);
    },
  };
}

/** The directory of package.json, from src/ and from dist/ alike. */
function packageRoot(): string {
  return join(dirname(fileURLToPath(import.meta.url)), '..', '..');
}
